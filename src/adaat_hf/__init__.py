"""AdaAT (ACM MM 2022) as a Hugging Face-style library: a still picture of a face or a person comes to life."""

from .control.arkit_files import read_arkit_csv
from .control.body_coefficients import BodyCoefficients
from .control.body_fitting import BodyFitSettings, BodyFitter
from .control.body_model import AdaATBodyModel, AdaATBodyModelConfig
from .control.body_retargeting import retarget_body
from .control.body_template import BodyMotionTemplate
from .control.coefficients import FaceCoefficients
from .control.demo_motion import demo_motion
from .control.face_model import AdaATFaceModel, AdaATFaceModelConfig
from .control.fitting import FaceFitter, FitSettings
from .control.retargeting import Strengths, retarget
from .control.smoothing import smooth
from .control.smpl_files import SMPLFileError, load_smpl_model, read_smpl_motion
from .control.template import MotionTemplate
from .expressions import ARKIT_EXPRESSIONS
from .models.configuration_adaat import AdaATConfig, AdaATDiscriminatorConfig
from .models.configuration_landmarker import AdaATLandmarkerConfig
from .models.configuration_motion import AdaATMotionConfig
from .models.conversion import convert_original_discriminator, convert_original_state_dict
from .models.modeling_adaat import AdaATGenerator, AdaATGeneratorOutput
from .models.modeling_discriminator import AdaATDiscriminator
from .models.modeling_landmarker import AdaATLandmarker
from .models.modeling_motion import AdaATMotionModel, AdaATMotionOutput
from .models.operator import AdaptiveAffine, adaptive_affine
from .pipelines.base import AdaATPipeline
from .pipelines.original import convert_original_checkpoint
from .pipelines.persons import NoPersonError
from .pipelines.pipeline_face_reenactment import FaceReenactmentPipeline
from .pipelines.pipeline_output import AdaATPipelineOutput, AnimationStatistics
from .pipelines.pipeline_person_generation import PersonGenerationOutput, PersonGenerationPipeline
from .pipelines.pipeline_pose_transfer import PoseTransferPipeline
from .pipelines.pipeline_talking_face import TalkingFacePipeline
from .processing.bodies_mediapipe import MediaPipeBodyDetector
from .processing.bodies_vitpose import VitPoseBodyDetector
from .processing.body_keypoints import BodyDetector, BodyKeypoints
from .processing.feature_extraction_adaat import AdaATFeatureExtractor
from .processing.image_processing_adaat import AdaATImageProcessor
from .processing.images import ImageError, load_image
from .processing.landmarks import FaceLandmarker, FaceLandmarks
from .processing.landmarks_mediapipe import MediaPipeLandmarker
from .processing.landmarks_torch import TorchBodyDetector, TorchLandmarker
from .processing.photo import NoFaceError
from .processing.pose_files import BodyPose, PoseError, as_pose, read_pose_file
from .processing.pose_sequences import read_pose_sequence
from .processing.sound import SoundError, SoundReader
from .registration import register
from .video import VideoError, VideoReader, VideoWriter


__version__ = "0.1.0"

register()

__all__ = [
    "ARKIT_EXPRESSIONS",
    "AdaATBodyModel",
    "AdaATBodyModelConfig",
    "AdaATConfig",
    "AdaATDiscriminator",
    "AdaATDiscriminatorConfig",
    "AdaATFaceModel",
    "AdaATFaceModelConfig",
    "AdaATFeatureExtractor",
    "AdaATGenerator",
    "AdaATGeneratorOutput",
    "AdaATImageProcessor",
    "AdaATLandmarker",
    "AdaATLandmarkerConfig",
    "AdaATMotionConfig",
    "AdaATMotionModel",
    "AdaATMotionOutput",
    "AdaATPipeline",
    "AdaATPipelineOutput",
    "AdaptiveAffine",
    "AnimationStatistics",
    "BodyCoefficients",
    "BodyDetector",
    "BodyFitSettings",
    "BodyFitter",
    "BodyKeypoints",
    "BodyMotionTemplate",
    "BodyPose",
    "FaceCoefficients",
    "FaceFitter",
    "FaceLandmarker",
    "FaceLandmarks",
    "FaceReenactmentPipeline",
    "FitSettings",
    "ImageError",
    "MediaPipeBodyDetector",
    "MediaPipeLandmarker",
    "MotionTemplate",
    "NoFaceError",
    "NoPersonError",
    "PersonGenerationOutput",
    "PersonGenerationPipeline",
    "PoseError",
    "PoseTransferPipeline",
    "SMPLFileError",
    "SoundError",
    "SoundReader",
    "Strengths",
    "TalkingFacePipeline",
    "TorchBodyDetector",
    "TorchLandmarker",
    "VideoError",
    "VideoReader",
    "VideoWriter",
    "VitPoseBodyDetector",
    "adaptive_affine",
    "as_pose",
    "convert_original_checkpoint",
    "convert_original_discriminator",
    "convert_original_state_dict",
    "demo_motion",
    "load_image",
    "load_smpl_model",
    "read_arkit_csv",
    "read_pose_file",
    "read_pose_sequence",
    "read_smpl_motion",
    "retarget",
    "retarget_body",
    "smooth",
]
