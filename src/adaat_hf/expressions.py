"""The 52 ARKit-named expressions that face model and motion model share, and their groups."""

_BY_EYE = ("eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide")
ARKIT_EXPRESSIONS: tuple[str, ...] = (
    *(f"{name}{side}" for side in ("Left", "Right") for name in _BY_EYE),
    *("jawForward", "jawRight", "jawLeft", "jawOpen"),
    *("mouthClose", "mouthFunnel", "mouthPucker", "mouthRight", "mouthLeft"),
    *("mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight"),
    *("mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight"),
    *("mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *("mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight"),
    *("mouthUpperUpLeft", "mouthUpperUpRight"),
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut"),
)
"""Apple's 52 face blend shapes, in the order of Live Link Face files."""

EXPRESSION_GROUPS: dict[str, tuple[int, ...]] = {
    group: tuple(i for i, name in enumerate(ARKIT_EXPRESSIONS) if name.startswith(prefixes))
    for group, prefixes in {
        "eyes": ("eye",),
        "brows": ("brow",),
        "mouth": ("jaw", "mouth", "cheek", "nose", "tongue"),
    }.items()
}
