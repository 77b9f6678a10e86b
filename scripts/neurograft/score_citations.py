"""The work behind each transferability score, and what is known of such scores on medical tasks.

Apart from the formulas, so that the report can cite them without loading what computes them.
"""

# score: its citation, with a DOI at its end, as in config/sources.tsv
SCORE_CITATIONS = {
    "logme": "You K, Liu Y, Wang J, Long M. LogME: practical assessment of pre-trained models for transfer learning. "
    "ICML 2021. doi:10.48550/arXiv.2102.11005",
    "h-score": "Ibrahim S, Ponomareva N, Mazumder R. Newer is not always better: rethinking transferability metrics, "
    "their peculiarities, stability and performance. arXiv 2021:2110.06893. doi:10.48550/arXiv.2110.06893",
    "leep": "Nguyen CV, Hassner T, Seeger M, Archambeau C. LEEP: a new measure to evaluate transferability of learned "
    "representations. ICML 2020. doi:10.48550/arXiv.2002.12462",
    "transrate": "Huang LK, Huang J, Rong Y, Yang Q, Wei Y. Frustratingly easy transferability estimation. ICML 2022. "
    "doi:10.48550/arXiv.2106.09362",
    "gbc": "Pándy M, Agostinelli A, Uijlings J, Ferrari V, Mensink T. Transferability estimation using Bhattacharyya "
    "class separability. CVPR 2022. doi:10.48550/arXiv.2111.12780",
    "cc-fv": "Yang Y, Wei M, He J, Yang J, Ye J, Gu Y. Pick the best pre-trained model: towards transferability "
    "estimation for medical image segmentation. MICCAI 2023. doi:10.48550/arXiv.2307.11958",
}
UNRELIABLE = (
    "Chaves L, Bissoto A, Valle E, Avila S. The performance of transferability metrics does not translate to medical "
    "tasks. DART at MICCAI 2023. doi:10.48550/arXiv.2308.07444"
)
