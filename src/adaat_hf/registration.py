"""Make transformers' Auto classes and diffusers' loader know the classes of this package."""

from diffusers.pipelines.pipeline_loading_utils import ALL_IMPORTABLE_CLASSES, LOADABLE_CLASSES
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoImageProcessor,
    AutoModel,
    PreTrainedConfig,
    PreTrainedModel,
)

from .control.body_model import AdaATBodyModel, AdaATBodyModelConfig
from .control.face_model import AdaATFaceModel, AdaATFaceModelConfig
from .models.configuration_adaat import AdaATConfig, AdaATDiscriminatorConfig
from .models.configuration_landmarker import AdaATLandmarkerConfig
from .models.configuration_motion import AdaATMotionConfig
from .models.modeling_adaat import AdaATGenerator
from .models.modeling_discriminator import AdaATDiscriminator
from .models.modeling_landmarker import AdaATLandmarker
from .models.modeling_motion import AdaATMotionModel
from .processing.feature_extraction_adaat import AdaATFeatureExtractor
from .processing.image_processing_adaat import AdaATImageProcessor


LIBRARY = "adaat_hf"
MODELS: dict[type[PreTrainedConfig], type[PreTrainedModel]] = {
    AdaATConfig: AdaATGenerator,
    AdaATDiscriminatorConfig: AdaATDiscriminator,
    AdaATLandmarkerConfig: AdaATLandmarker,
    AdaATFaceModelConfig: AdaATFaceModel,
    AdaATMotionConfig: AdaATMotionModel,
    AdaATBodyModelConfig: AdaATBodyModel,
}


def register() -> None:
    """Register everything once; done when the package is imported."""
    for config, model in MODELS.items():
        AutoConfig.register(config.model_type, config, exist_ok=True)
        AutoModel.register(config, model, exist_ok=True)
    AutoImageProcessor.register(
        AdaATConfig, image_processor_classes={"torchvision": AdaATImageProcessor}, exist_ok=True
    )
    AutoFeatureExtractor.register(AdaATMotionConfig, AdaATFeatureExtractor, exist_ok=True)
    names = [cls.__name__ for cls in (*MODELS.values(), AdaATImageProcessor, AdaATFeatureExtractor)]
    methods = {name: ["save_pretrained", "from_pretrained"] for name in names}
    LOADABLE_CLASSES.setdefault(LIBRARY, {}).update(methods)
    ALL_IMPORTABLE_CLASSES.update(methods)
