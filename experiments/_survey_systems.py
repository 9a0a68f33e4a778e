"""The systems that the survey compares: each with its front-end, its network or classifier, and how that is trained.

What neither the survey nor a system's paper says, and which networks are smaller than their papers', is in
_survey_origins.
"""

from ser.study import Part, System, Value, part

# Functionals of frames, for what takes one vector of an utterance.
MOMENTS = ("mean", "std", "min", "max", "median", "skewness", "kurtosis")
CONTOURS = (  # of F0 and its like, for Wu and Shegokar
    *("mean", "std", "skewness", "kurtosis", "max", "min", "median", "q25", "q75", "range", "slope"),
    "regression_error",
)
CHALLENGE = (
    *("mean", "std", "kurtosis", "skewness", "min", "max", "min_position", "max_position", "range"),
    *("offset", "slope", "regression_error"),
)


def log_mel(mels: int, seconds: float, window: int, hop: int) -> Part:
    """Log-mel images of a fixed length at 16 kHz."""
    return part(
        "log_mel",
        rate_hz=16000,
        seconds=seconds,
        trim_s=0.0,
        denoise="none",
        noise_s=0.5,
        denoise_after_padding=True,
        window=window,
        hop=hop,
        fft=2048,
        mels=mels,
        low_hz=20.0,
        high_hz=8000.0,
        floor=1e-6,
        scale="none",
    )


def spectrogram(size: int, silence_db: float = 0.0, **other: int | float | str) -> Part:
    """Log spectrograms averaged to images of ``size`` × ``size``, whatever the utterance's length."""
    whole = part(
        "spectrogram",
        rate_hz=16000,
        silence_db=silence_db,
        silence_ms=20.0,
        seconds=0.0,
        crop="start",
        window=512,
        hop=128,
        fft=512,
        low_hz=20.0,
        high_hz=8000.0,
        top_db=80.0,
        bins=size,
        rows=size,
        scale="image",
        patch=0,
        step=0,
        rest="pad",
    )
    return whole.changed(**other)


def svm(statistics: tuple[str, ...], kernel: str = "rbf", select: int = 0, clusters: int = 0, c: float = 1.0) -> Part:
    """A support vector machine; its kernel's width is 1 / (features · variance)."""
    machine: dict[str, Value] = {"kernel": kernel, "c": c, "gamma": 0.0, "degree": 2, "coef0": 1.0, "balanced": False}
    return part("svm", **steps(statistics, select, clusters), **machine)


def lda(statistics: tuple[str, ...]) -> Part:
    """Linear discriminants of a covariance that is shrunk after Ledoit and Wolf."""
    return part("lda", **steps(statistics), solver="lsqr", shrinkage="auto")


def knn(statistics: tuple[str, ...], clusters: int = 0, neighbours: int = 5) -> Part:
    """Nearest neighbours."""
    return part("knn", **steps(statistics, clusters=clusters), neighbours=neighbours, weights="uniform")


def perceptron(statistics: tuple[str, ...], clusters: int = 0) -> Part:
    """A hidden layer, fitted to all utterances."""
    loop: dict[str, Value] = {
        "learning_rate": 1e-3,
        "batch_size": 32,
        "epochs": 200,
        "tolerance": 1e-4,
        "patience": 10,
        "held_out": 0.0,
    }
    return part("perceptron", **steps(statistics, clusters=clusters), hidden=(100,), alpha=1e-2, **loop)


def steps(statistics: tuple[str, ...], select: int = 0, clusters: int = 0) -> dict[str, Value]:
    """What becomes of features before a classifier."""
    # Centres, as Demircan's abstract has it; with the usual fuzzifier of 2 those of so many features are all the same.
    fuzzy: dict[str, Value] = {
        "classifier_input": "centres",
        "fuzzifier": 1.1,
        "cluster_starts": 3,
        "cluster_iterations": 300,
        "cluster_tolerance": 1e-4,
    }
    settings: dict[str, Value] = {
        "statistics": statistics,
        "scaling": "standard",
        "select": select,
        "clusters": clusters,
    }
    return settings | (fuzzy if clusters else {})


MFCC = part("mfcc", rate_hz=16000, window=512, hop=160, mels=40, coefficients=13, top_db=80.0, peak=True, mean=False)
IS09 = part(
    "is09",
    rate_hz=16000,
    window=400,
    hop=160,
    mels=26,
    floor=1 / 32768,
    low_hz=75.0,
    high_hz=500.0,
    voicing=0.45,
    smoothing=3,
    reach=2,
)
WU = part(
    "modulation",
    rate_hz=8000,
    bands=19,
    low_hz=125.0,
    high_hz=3500.0,
    envelope_hz=500,
    modulation_hz=(4.0, 8.0, 16.0, 32.0, 64.0),
    quality=2.0,
    window_s=0.256,
    hop_s=0.064,
    divisions=(4, 10, 15),
    measured=(1, 3, 5),
    unit=True,
    log=False,
    energy_statistics=("mean",),
    measure_statistics=("mean", "std"),
    active_db=40.0,
    floor=1e-12,
    prosody=True,
    frame=320,
    step=80,
    low_f0_hz=75.0,
    high_f0_hz=500.0,
    voicing=0.45,
    contour_statistics=CONTOURS,
)
WANG = part(
    "fourier",
    rate_hz=16000,
    window=256,
    hop=128,
    harmonics=120,
    spacing="bins",
    reach=2,
    mfcc=True,
    mels=26,
    coefficients=12,
    floor=1 / 32768,
    statistics=("mean", "max", "min", "median", "std"),
)
SHEGOKAR = part(
    "cwt",
    rate_hz=16000,
    scales=40,
    low_hz=50.0,
    high_hz=6000.0,
    centre=6.0,
    floor=1e-10,
    prosody=True,
    frame=640,
    step=160,
    low_f0_hz=75.0,
    high_f0_hz=500.0,
    voicing=0.45,
    active_db=40.0,
    contour_statistics=CONTOURS,
)
RHYTHM = part(
    "rhythm",
    rate_hz=16000,
    window=512,
    hop=160,
    mels=40,
    top_db=80.0,
    least_db=0.1,
    piece_s=3.0,
    step_s=1.5,
    enhanced=True,
    peaks=3,
    low_bpm=40.0,
    high_bpm=200.0,
    bins=16,
)
MEL_128 = log_mel(128, 3.0, 1024, 369)  # 128 frames
VGG_11: dict[str, Value] = {"layers": (1, 1, 2, 2, 2), "filters": (64, 128, 256, 512, 512), "norm": True, "grid": 0}
CHATZIAGAPI = part("vgg", frames=128, **VGG_11, dense=(512,), dropout=0.5, init="he", weights="none", weights_for="all")


def chatziagapi(how: Part, augmentation: tuple[Part, ...] = ()) -> System:
    """The same network with the minority classes made up for in one of four ways."""
    return System(
        f"chatziagapi_{how.name}",
        CHATZIAGAPI,
        MEL_128,
        balance=how,
        augmentation=augmentation,
        training=(("learning_rate", 1e-4), ("batch_size", 64)),
    )


GAN = part(
    "gan",
    latent=100,
    filters=(32, 64, 128, 256),
    kernel=4,
    dropout=0.3,
    autoencoder_epochs=100,
    autoencoder_learning_rate=1e-3,
    epochs=100,
    learning_rate=2e-4,
    beta1=0.5,
    batch_size=32,
    prior_items=20.0,
)
SIGNAL = (  # of the signal-based control
    part("noise", snr_db=(10.0, 20.0), source="generated", seed=1),
    part("vtlp", alpha=(0.9, 1.1), high=0.6, seed=2),
    part("volume", gain_db=(-6.0, 6.0), seed=3),
)

# Table 1 in its order; the last three are only in abstract and text.
SURVEYED = (
    System(
        "badshah",
        part(
            "spectrogram_cnn",
            frames=256,
            filters=(120, 256, 384),
            kernels=(11, 5, 3),
            strides=(4, 1, 1),
            padding=(0, 0, 0),
            pool=3,
            pool_stride=2,
            dense=(2048, 2048),
            dropout=0.5,
            init="he",
        ),
        spectrogram(256),
        training=(("optimiser", "sgd"), ("learning_rate", 1e-2)),
    ),
    System(
        "zhao_2d",
        part(
            "cnn_lstm",
            frames=251,
            filters=(64, 64, 128, 128),
            kernel=3,
            pools=(2, 4, 4, 4),
            partial_pools=False,
            units=256,
        ),
        log_mel(128, 8.128, 2048, 512),  # 251 frames of 8 s
    ),
    System(
        "zhao_1d",
        part("cnn_lstm_1d", frames=200, filters=(64, 64, 128, 128), kernel=3, pools=(4, 4, 4, 4), units=256),
        part("waveform", rate_hz=16000, seconds=8.0, row=640, scale="standard", zeros="before"),
        normalise="none",
    ),
    chatziagapi(part("none")),
    chatziagapi(part("copying")),
    chatziagapi(part("signal", copies=3), SIGNAL),
    chatziagapi(GAN),
    System("demircan_mlp", perceptron(MOMENTS, clusters=15)),
    System("demircan_svm", svm(MOMENTS, clusters=15, c=10.0)),
    System("demircan_knn", knn(MOMENTS, clusters=15)),
    System(
        "qamhan",
        part(
            "crnn",
            segment=64,
            filters=(32, 64, 64, 128),
            kernel=3,
            pools=((2, 4), (2, 4), (2, 2), (1, 2)),
            partial_pools=False,
            activation="relu",
            norm=True,
            units=128,
            dropout=0.5,
        ),
        spectrogram(0, rows=0, bins=128, patch=64, step=32, hop=160),  # segments of 0.66 s
    ),
    System(
        "yoon",
        part(
            "mdre",
            modality="both",
            audio_units=200,
            audio_dropout=0.3,
            text_units=200,
            text_dropout=0.3,
            buckets=32768,
            embedding=300,
        ),
        part(
            "speech_text",
            rate_hz=16000,
            window=400,
            hop=160,
            mels=26,
            coefficients=12,
            floor=1 / 32768,
            reach=2,
            most_frames=750,
            low_hz=52.0,
            high_hz=620.0,
            voicing=0.45,
            buckets=32768,
            most_words=128,
        ),
        normalise="none",  # rows are of three kinds
        training=(("batch_size", 128),),
        needs=("text",),
    ),
    System(
        "huang",
        part(
            "semi_cnn",
            scaling="standard",
            kernel=(9, 9),
            filters=60,
            patches=20000,
            rounds=30,
            contrast=0.1,
            whitening=0.1,
            threshold=0.25,
            pooling="mean",
            grid=(1, 4),
            salient=100,
            rest=50,
            discrimination=1.0,
            orthogonality=1.0,
            epochs=200,
            learning_rate=1e-3,
            c=1.0,
        ),
        log_mel(40, 3.0, 400, 160),
    ),
    System("wu_lda", lda(()), WU, normalise="speaker"),
    System("wu_svm", svm((), c=10.0), WU, normalise="speaker"),
    System("wang", svm((), c=10.0), WANG, normalise="speaker"),
    System("shegokar", svm((), kernel="poly", select=60), SHEGOKAR, normalise="none"),
    System(
        "zhang",
        part("gmtfs", statistics=CHALLENGE, scaling="standard", penalty=0.01, iterations=2000, tolerance=1e-4),
        IS09,
        normalise="speaker",
        needs=("song",),
    ),
    System(
        "zeng",
        part(
            "gated_resnet",
            frames=128,
            stem=32,
            stem_kernel=7,
            stem_stride=2,
            filters=(32, 64, 128),
            blocks=(2, 2, 2),
            kernel=3,
            norm=True,
            dropout=0.5,
            init="he",
        ),
        spectrogram(128),
        task="multi",  # a head for speech and one for songs
        training=(("batches", "corpus"), ("steps_per_epoch", 60)),
        needs=("song",),
    ),
    System(
        "popova",
        part(
            "vgg",
            frames=224,
            filters=(64, 128, 256, 512, 512),
            layers=(2, 2, 3, 3, 3),
            norm=True,
            grid=7,
            dense=(4096, 4096),
            dropout=0.5,
            init="he",
            weights="random",
            weights_for="convolutions",
        ),
        log_mel(224, 3.0, 1024, 210),  # 224 frames
        training=(("learning_rate", 1e-4),),
    ),
    System(
        "mustaqeem",
        part(
            "dscnn",
            frames=128,
            filters=(16, 32, 32, 64, 64, 128, 128),
            kernels=(7, 5, 3, 3, 3, 3, 3),
            strides=(2, 2, 1, 2, 1, 2, 1),
            norm=True,
            dense=(512,),
            dropout=0.25,
            init="glorot",
        ),
        spectrogram(128, silence_db=30.0),
    ),
    System(
        "autoencoder",
        part(
            "recurrent_autoencoder",
            scaling="standard",
            units=128,
            layers=2,
            dropout=0.2,
            epochs=30,
            batch_size=64,
            learning_rate=1e-3,
            clip=2.0,
            c=0.1,
        ),
        # Of any length, as the last state would forget what zeros follow; linear in frequency, where auDeep has mels.
        spectrogram(0, bins=64, rows=0, window=1280, hop=640, fft=2048, scale="none"),
        normalise="none",
    ),
    System(
        "lim",
        part(
            "time_distributed",
            window=32,
            hop=16,
            filters=(16, 32, 64),
            kernel=3,
            pools=((2, 4), (2, 4), (2, 4)),
            partial_pools=False,
            activation="relu",
            norm=True,
            units=128,
            layers=2,
            dropout=0.3,
            answer="last",
        ),
        spectrogram(128, rows=128, seconds=3.0),
    ),
    System(
        "trigeorgis",
        part(
            "end_to_end",
            frames=150,
            filters=40,
            kernels=(80, 4000),
            pool=2,
            across=10,
            step=640,
            units=128,
            layers=2,
            dropout=0.5,
            answer="last",
        ),
        part("waveform", rate_hz=16000, seconds=6.0, row=640, scale="standard", zeros="before"),
        normalise="none",
    ),
)

FAMILIES: dict[str, Part] = {  # section 4, A to F
    "time": part("time_domain", rate_hz=16000, window=400, hop=160, zero=1e-10),
    "frequency": part("frequency_domain", rate_hz=16000, window=400, hop=160, fft=512, rolloff=0.85),
    "mfcc": MFCC,
    "chroma": part("chroma", rate_hz=16000, window=2048, hop=512, octave=5.0, octaves=2.0, norm="max"),
    "rhythm": RHYTHM,
    "wavelet": part("wavelet", rate_hz=16000, window=512, hop=256, wavelet="db4", levels=5, floor=1e-10),
}


def crossed(family: str, front_end: Part) -> tuple[System, ...]:
    """A family of features with each classifier."""
    statistics = () if family == "rhythm" else MOMENTS
    cnn = part("tdnn", units=64, layers=3, context=(-2, -1, 0, 1, 2), dropout=0.3)  # over time
    classifiers = {
        "svm": svm(statistics),
        "knn": knn(statistics),
        "lda": lda(statistics),
        "mlp": perceptron(statistics),
    }
    fitted = (System(f"{family}_{name}", block, front_end, normalise="none") for name, block in classifiers.items())
    why = "" if statistics else "one vector of an utterance leaves nothing to convolve"
    return (*fitted, System(f"{family}_cnn", cnn, front_end, pooling="mean", impossible=why))


SYSTEMS = (*SURVEYED, *(system for name, front_end in FAMILIES.items() for system in crossed(name, front_end)))
