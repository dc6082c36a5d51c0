"""The Space: the page of `adaat_hf.app` on a shared GPU."""

import spaces  # isort: skip  # ZeroGPU wants to be imported before torch

from adaat_hf.app import ServingLimits, Studio, build_app, launch_app


# A visitor of ZeroGPU has seconds of GPU time, not minutes.
SETTINGS = ServingLimits(max_seconds=20, max_upload_megabytes=100)
app = build_app(Studio.load(), SETTINGS, gpu=spaces.GPU(duration=60))

if __name__ == "__main__":
    launch_app(app, SETTINGS)
