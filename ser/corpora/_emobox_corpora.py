"""The 32 corpora of EmoBox: languages and speakers, which its lists leave out, and facts of those without loader.

Counts, sources and languages as the table of Ma et al. 2024 has them; who speaks stands in the names of the files.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ser.data.about import About


@dataclass(frozen=True)
class Entry:
    """A corpus as EmoBox lists it."""

    title: str
    utterances: int
    languages: tuple[str, ...]  # BCP 47; of several the one whose group matches in ``speaker``, if any
    speaker: re.Pattern[str] | None  # in "/<path>": groups speaker, perhaps sex, perhaps languages; None: unknown
    loader: str = ""  # that of its own; "" = none, then ``about`` says what there is to know
    about: About | None = None

    def who(self, path: str) -> tuple[str, str, str]:
        """Returns speaker, sex and language of the recording at ``path``, "" for what is unknown."""
        match = self.speaker.search(f"/{path}") if self.speaker else None
        alone = self.languages[0] if len(self.languages) == 1 and self.languages != ("mul",) else ""
        if match is None:
            return "", "", alone
        groups = match.groupdict()
        language = next((name for name in self.languages if groups.get(name)), alone)
        return groups["speaker"], (groups.get("sex") or "")[:1].upper(), language


def _own(
    loader: str, title: str, utterances: int, languages: str | tuple[str, ...], speaker: str | None = None
) -> Entry:
    of = (languages,) if isinstance(languages, str) else languages
    return Entry(title, utterances, of, re.compile(speaker) if speaker else None, loader)


def _other(title: str, utterances: int, about: About, speaker: str | None = None) -> Entry:
    return Entry(title, utterances, about.languages, re.compile(speaker) if speaker else None, about=about)


CORPORA: Mapping[str, Entry] = {
    "aesdd": _own("aesdd", "AESDD", 604, "el", r"/[a-z]\d+ \((?P<speaker>\d)\)b?\.\w+\Z"),
    "ased": _other(
        "ASED",
        2474,
        About(
            ("am",),
            "acted",
            "none is stated; free to download",
            "Retta, Almekhlafi, Sutcliffe, Mhamed, Ali, Feng, A New Amharic Speech Emotion Dataset and Classification "
            "Benchmark, ACM Transactions on Asian and Low-Resource Language Information Processing 22 (2023), "
            "doi 10.1145/3529759",
            "github.com/wgwangang/ASED_V1",
        ),
        r"/[a-zA-Z]\d-\d\d-\d\d-\d\d-(?P<speaker>\d\d)\.\w+\Z",
    ),
    "asvpesd": _other(
        "ASVP-ESD",
        13964,
        About(
            ("mul",),
            "natural",
            "none is stated; collected from films, broadcasts and web pages",
            "Landry, He, Yan, Li, ASVP-ESD: A dataset and its benchmark for emotion recognition using both speech and "
            "non-speech utterances, Global Scientific Journals 8 (2020)",
            "kaggle.com/datasets/dejolilandry/asvpesdspeech-nonspeech-emotional-utterances",
        ),
        r"/(?:\d+-){5}(?P<speaker>\d+)-",
    ),
    "cafe": _own("cafe", "CaFE", 936, "fr-CA", r"/(?P<speaker>\d\d)-[A-Z]-(?:\d-)?\d\.\w+\Z"),
    "casia": _own("casia", "CASIA", 1200, "zh", r"/(?P<speaker>[a-z]+)/[a-z]+/\d+\.\w+\Z"),
    "cremad": _own("crema_d", "CREMA-D", 7442, "en", r"/(?P<speaker>\d{4})_\w{3}_\w{3}_\w\w?\.\w+\Z"),
    "emns": _other(
        "EMNS",
        1181,
        About(
            ("en-GB",),
            "acted",
            "see the page of the download",
            "Noriy, Yang, Zhang, EMNS /Imz/ Corpus: An emotive single-speaker dataset for narrative storytelling in "
            "games, television and graphic novels, 2023, arXiv 2305.13137",
            "openslr.org/136; the recordings of cleaned_webm, which need the extra codecs",
        ),
        r"/(?P<speaker>emns)/",
    ),
    "emodb": _own("emodb", "EMO-DB", 535, "de", r"/(?P<speaker>\d\d)[ab]\d\d[A-Z][a-z]\.\w+\Z"),
    "emovdb": _own("emov_db", "EmoV-DB", 6887, "en", r"/(?P<speaker>bea|jenie|josh|sam)_[A-Za-z]+/"),
    "emovo": _own("emovo", "EMOVO", 588, "it", r"/\w{3}-(?P<speaker>(?P<sex>[fm])\d)-\w\d\.\w+\Z"),
    "emozionalmente": _own("emozionalmente", "Emozionalmente", 6902, "it"),
    "enterface": _own("enterface", "eNTERFACE'05", 1263, "en", r"/subject (?P<speaker>\d+)/"),
    "esd": _own("esd", "ESD", 35000, ("zh", "en"), r"/(?P<speaker>00(?:(?P<zh>0\d|10)|(?P<en>1[1-9]|20)))/"),
    "iemocap": _own(
        "iemocap", "IEMOCAP", 5531, "en", r"/(?P<session>Ses\d\d)[FM]_\w+_(?P<speaker>(?P<sex>[FM]))\d{3}\.\w+\Z"
    ),
    "jlcorpus": _own("jl_corpus", "JL-Corpus", 2400, "en-NZ", r"/(?P<speaker>(?P<sex>female|male)\d)_\w+\.\w+\Z"),
    "m3ed": _other(
        "M3ED",
        24437,
        About(
            ("zh",),
            "acted",
            "request form; research only",
            "Zhao, Zhang, Hu, Liu, Jin, Wang, Li, M3ED: Multi-modal Multi-scene Multi-label Emotional Dialogue "
            "Database, ACL 2022, doi 10.18653/v1/2022.acl-long.391",
            "github.com/aim3-ruc/rucm3ed",
        ),
    ),
    "mead": _other(
        "MEAD",
        31729,
        About(
            ("en",),
            "acted",
            "request form; research only",
            "Wang, Wu, Song, Yang, Wu, Qian, He, Qiao, Loy, MEAD: A Large-Scale Audio-Visual Dataset for Emotional "
            "Talking-Face Generation, ECCV 2020, doi 10.1007/978-3-030-58589-1_42",
            "github.com/uniBruce/Mead; the m4a files need the extra codecs",
        ),
        r"/(?P<speaker>[MW]\d{3})/audio/",
    ),
    "meld": _own("meld", "MELD", 13706, "en"),
    "mer2023": _other(
        "MER 2023",
        5030,
        About(
            ("zh",),
            "acted",
            "request form; research only",
            "Lian, Sun, Sun, Chen, Xu, Wang, Xu, He, Li, Zhao, Liu, Liu, Yi, Wang, Cambria, Zhao, Schuller, Tao, MER "
            "2023: Multi-label Learning, Modality Robustness, and Semi-Supervised Learning, ACM Multimedia 2023, "
            "doi 10.1145/3581783.3612836",
            "merchallenge.cn/datasets; the videos need the extra codecs",
        ),
    ),
    "mesd": _own("mesd", "MESD", 862, "es-MX"),
    "msppodcast": _own("msp_podcast", "MSP-Podcast", 73042, "en"),
    "oreau": _own("oreau", "Oréau", 434, "fr", r"/(?P<sex>[fm])/\w+/(?P<speaker>\d\d)[a-z]\d\d[A-Z][a-z]\.\w+\Z"),
    "pavoque": _other(
        "PAVOQUE",
        7334,
        About(
            ("de",),
            "acted",
            "see LICENSE of the repository",
            "Steiner, Schröder, Klepp, The PAVOQUE corpus as a resource for analysis and synthesis of expressive "
            "speech, Phonetik & Phonologie 9, 2013",
            "github.com/marytts/pavoque-data/releases: five FLAC files, one of each style",
        ),
        r"/(?P<speaker>pavoque)-\w+\.\w+\Z",
    ),
    "polish": _other(
        "Emotions in Polish speech recordings",
        450,
        About(
            ("pl",),
            "acted",
            "see the page of the download",
            "Miesikowska, Świsulski, Emotions in Polish speech recordings, Gdańsk University of Technology, 2020, "
            "doi 10.34808/h46c-hm11",
            "mostwiedzy.pl/en/open-research-data/emotions-in-polish-speech-recordings,11190523461146169-0",
        ),
        r"/(?P<speaker>(?P<sex>[mf])\d)\.[a-z]_\w+_\d\.\w+\Z",
    ),
    "ravdess": _own("ravdess", "RAVDESS", 1440, "en", r"(?:-\d\d){5}-(?P<speaker>\d\d)\.\w+\Z"),
    "resd": _own("resd", "RESD", 1396, "ru"),
    "savee": _own("savee", "SAVEE", 480, "en", r"/(?P<speaker>DC|JE|JK|KL)[_/][a-z]+\d\d\.\w+\Z"),
    "shemo": _own("shemo", "ShEMO", 2838, "fa", r"/(?P<speaker>(?P<sex>[FM])\d\d)[A-Z]\d+\.\w+\Z"),
    "subesco": _own("subesco", "SUBESCO", 7000, "bn", r"/(?P<speaker>(?P<sex>[FM])_\d\d)_[^/]+\.\w+\Z"),
    "tess": _own("tess", "TESS", 2800, "en", r"/(?P<speaker>OAF|YAF)_[a-z]+_[a-z]+\.\w+\Z"),
    "turevdb": _other(
        "TurEV-DB",
        1735,
        About(
            ("tr",),
            "acted",
            "see the repository",
            "Canpolat, Ormanoğlu, Zeyrek, Turkish Emotion Voice Database (TurEV-DB), SLTU-CCURL 2020",
            "github.com/Xeonen/TurEV-DB",
        ),
        r"/(?P<speaker>\d{4})_[a-z]{2}_\w+\.\w+\Z",
    ),
    "urdu": _own("urdu", "URDU", 400, "ur", r"/(?P<speaker>S(?P<sex>[FM])\d+)_F\d+_\w+\.\w+\Z"),
}
