"""What neither the survey nor the papers of its systems say, and which networks are smaller than their papers'."""

from ser.study import origins

from ._survey_systems import FAMILIES

_HOW = ("none", "copying", "signal", "gan")
_CLASSIFIERS = ("mlp", "svm", "knn")
_SIZES = "sizes are this study's, smaller than the paper's, which are not all known"
ORIGINS = origins(
    ours={
        "training": "of networks, where a system's paper says nothing else",
        "classes": "all that a corpus has; the survey's rows have other classes each",
        "ravdess.folds": "as many folds of whole speakers as the speaker-dependent protocol has",
        "emodb.folds": "as many folds of whole speakers as the speaker-dependent protocol has",
        "badshah.block.init": "unstated, as is the padding",
        "badshah.front_end": "what the paper does not say of its spectrograms",
        "zhao_2d.block.partial_pools": "what becomes of a pool that is not full is unstated",
        "zhao_1d.front_end.row": "rows of 40 ms are this study's form of a waveform",
        **{f"chatziagapi_{how}.block.layers": "the paper's network has 19 layers, this one 11" for how in _HOW},
        "chatziagapi_signal.balance": "which signals are changed, and how, is unstated",
        "chatziagapi_gan.balance": "sizes and effort of the generative network, after Mariani et al. 2018",
        **{f"demircan_{name}.block": "the abstract names no functionals, and no settings" for name in _CLASSIFIERS},
        "qamhan.block": _SIZES,
        "qamhan.front_end": "length and step of the segments are unstated",
        "yoon.block.buckets": "words are hashed: the paper has a vocabulary and public embeddings",
        "huang.block": "filters are learnt by k-means: the paper has a contractive auto-encoder",
        "wu_lda.front_end": "limits and floors of the filters are unstated",
        "wu_svm.front_end": "limits and floors of the filters are unstated",
        "wu_svm.block": "the machine's settings are unstated",
        "wang.front_end": "window and hop are unstated",
        "wang.block": "the machine's settings are unstated",
        "shegokar.front_end": "scales, limits and which prosody are unstated",
        "shegokar.block": "how many features are selected is unstated",
        "zhang.block.penalty": "unstated",
        "zhang.front_end": "functionals of the challenge of 2009 stand for the paper's",
        "zeng.block": _SIZES,
        "popova.block": "a VGG of 13 convolutions from random weights unless --weights gives public ones",
        "mustaqeem.block": "normalisation and start are unstated",
        "autoencoder.block": "sizes and effort, smaller than auDeep's",
        "lim.block": _SIZES,
        "trigeorgis.block": "rows of 40 ms and one answer: the paper predicts arousal and valence in time",
        **{f"{family}_cnn.block": "the survey names families and classifiers, no network" for family in FAMILIES
           if family != "rhythm"},
        **{f"{family}_{kind}.block": "the survey names families and classifiers, no settings"
           for family in FAMILIES for kind in ("svm", "knn", "lda", "mlp")},
        **{f"{family}_svm.front_end": "the survey names the family, no settings" for family in FAMILIES},
    },
    reading={
        "demircan_svm.block.classifier_input": "the abstract gives the clusters' centres to the classifiers",
        "merge": "excited counts as happy, as in most works of the survey on IEMOCAP",
        "ravdess.channels": "songs are there for the two systems that learn from them; others have speech alone",
    },
)  # fmt: skip
