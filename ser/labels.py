"""Emotion names: one vocabulary for all corpora, and the maps from each corpus's own words to it."""

EMOTIONS = (
    "neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise",
    "boredom", "excited", "frustrated", "other", "unknown",
)  # fmt: skip

IEMOCAP = {
    "neu": "neutral", "hap": "happy", "sad": "sad", "ang": "angry", "exc": "excited", "fru": "frustrated",
    "sur": "surprise", "fea": "fear", "dis": "disgust", "oth": "other", "xxx": "unknown",
}  # fmt: skip
IEMOCAP_WORDS = {
    "neutral": "neutral", "happiness": "happy", "sadness": "sad", "anger": "angry", "surprise": "surprise",
    "fear": "fear", "disgust": "disgust", "frustration": "frustrated", "excited": "excited", "other": "other",
}  # fmt: skip
RAVDESS = {
    "01": "neutral", "02": "calm", "03": "happy", "04": "sad", "05": "angry", "06": "fear", "07": "disgust",
    "08": "surprise",
}  # fmt: skip
TESS = {
    "angry": "angry", "disgust": "disgust", "fear": "fear", "happy": "happy", "neutral": "neutral",
    "ps": "surprise", "sad": "sad",
}  # fmt: skip
CREMA_D = {"ANG": "angry", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
CREMA_D_VOTES = {"A": "angry", "D": "disgust", "F": "fear", "H": "happy", "N": "neutral", "S": "sad"}
# German initials: A is Angst (fear), not anger.
EMODB = {
    "W": "angry", "L": "boredom", "E": "disgust", "A": "fear", "F": "happy", "T": "sad", "N": "neutral",
}  # fmt: skip
SAVEE = {
    "a": "angry", "d": "disgust", "f": "fear", "h": "happy", "n": "neutral", "sa": "sad", "su": "surprise",
}  # fmt: skip
MANIFEST = {
    **{name: name for name in EMOTIONS},
    "happiness": "happy", "joy": "happy", "feliz": "happy", "felicidade": "happy",
    "alegria": "happy", "alegre": "happy",
    "anger": "angry", "raiva": "angry", "irritado": "angry",
    "neutro": "neutral", "neutra": "neutral",
    "sadness": "sad", "triste": "sad", "tristeza": "sad",
    "fearful": "fear", "medo": "fear", "disgusted": "disgust", "nojo": "disgust",
    "surprised": "surprise", "surpresa": "surprise", "bored": "boredom",
}  # fmt: skip
