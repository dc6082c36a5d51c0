"""The runtimes beside PyTorch."""

import subprocess
import sys

import pytest


SIGNAL_AFTER_RUNTIMES = """
import signal, sys
import openvino
from openvino import opset13
from adaat_hf.inference.runtimes import OpenVINORuntime

file = sys.argv[1] + "/graph.xml"
value = opset13.parameter([1, 4], name="x")
openvino.save_model(openvino.Model([opset13.relu(value)], [value]), file)
signal.signal(signal.SIGUSR1, lambda number, frame: print("handled"))
runtimes = [OpenVINORuntime(), OpenVINORuntime()]
graphs = [runtime.load(file) for runtime in runtimes]
while runtimes:
    runtimes.pop(0), graphs.pop(0)
signal.raise_signal(signal.SIGUSR1)
"""


def test_a_signal_is_handled_after_several_openvino_runtimes_have_ended(tmp_path):
    """Python handles signals on a stack that OpenVINO replaces, here that of `faulthandler`, which is on by `-X`."""
    pytest.importorskip("openvino")
    command = [sys.executable, "-X", "faulthandler", "-c", SIGNAL_AFTER_RUNTIMES, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr[-2000:]
