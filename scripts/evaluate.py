# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[evaluate]"]
# ///
"""`adaat evaluate` for `accelerate launch`, which divides the clips among several processes; the options are the same.

    accelerate launch --num_processes 2 scripts/evaluate.py --protocol voxceleb-reconstruction --clips faces/val \\
        --method mine=runs/mine --method copy-source -o runs/evaluation
"""

import sys

from adaat_hf.cli import main


if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
