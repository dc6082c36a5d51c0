"""What the pipelines that paint persons share: components, their detector, and checks of sources."""

from collections.abc import Sequence
from dataclasses import replace

from ..models.modeling_adaat import AdaATGenerator
from ..models.modeling_landmarker import AdaATLandmarker
from ..processing.body_keypoints import BODY18, BodyDetector
from ..processing.image_processing_adaat import AdaATImageProcessor
from ..processing.images import ImageInput
from ..processing.landmarks_torch import TorchBodyDetector
from .base import AdaATPipeline
from .persons import SourcePerson


class PersonPipeline(AdaATPipeline):
    """Base of the pipelines that paint a photographed person; they differ in what the poses are read from.

    Their generators are made for 18 key points, and a `body_landmarker` component is optional.
    """

    image_processor: AdaATImageProcessor
    body_landmarker: AdaATLandmarker | None

    model_cpu_offload_seq = "body_landmarker->generator"  # type: ignore[assignment]  # diffusers types it as None
    _optional_components = ["body_landmarker"]
    _callback_tensor_inputs = ["images"]

    @staticmethod
    def check_generator(generator: AdaATGenerator) -> None:
        """Raise `ValueError` for a generator that is made for other key points."""
        if generator.config.num_keypoints != BODY18.count:
            raise ValueError(
                f"The generator is made for {generator.config.num_keypoints} key points, expected {BODY18.count}."
            )

    def check_sources(self, sources: Sequence[ImageInput]) -> None:
        """Raise `ValueError` for as many source pictures as this network cannot use."""
        if not sources:
            raise ValueError("There is no source picture.")
        if len(sources) > 1 and not self.generator.config.multi_source:
            raise ValueError(
                f"There are {len(sources)} source pictures, but this network was made for one (multi_source)."
            )

    def own_detector(self) -> BodyDetector | None:
        """The pipeline's body detector, on its device; `None` if it has none."""
        if self.body_landmarker is None:
            return None
        return TorchBodyDetector(self.network("body_landmarker"))

    def tell_parts(self, people: Sequence[SourcePerson]) -> list[SourcePerson]:
        """Photographed persons, their pixels told from what is around them, if the pipeline's landmarker can (`config.parts`)."""
        if self.body_landmarker is None or not self.body_landmarker.config.parts:
            return list(people)
        network = self.network("body_landmarker")
        # Exported graphs tell no parts.
        told_by = network if isinstance(network, AdaATLandmarker) else self._as_module(self.body_landmarker)
        detector = TorchBodyDetector(told_by)
        return [
            replace(one, parts=detector.find_parts(one.picture, one.pose.points, one.pose.visibility))
            for one in people
        ]
