"""The works that the report's methods may cite: key to text, and DOI where there is one."""

REFERENCES = {
    "dcm2niix": (
        "Li X, Morgan PS, Ashburner J, Smith J, Rorden C. The first step for neuroimaging data analysis: DICOM to "
        "NIfTI conversion. Journal of Neuroscience Methods 2016;264:47-56.",
        "10.1016/j.jneumeth.2016.03.001",
    ),
    "valverde": (
        "Valverde JM, Imani V, Abdollahzadeh A, et al. Transfer learning in magnetic resonance brain imaging: a "
        "systematic review. Journal of Imaging 2021;7(4):66.",
        "10.3390/jimaging7040066",
    ),
    "ahuja": (
        "Ahuja S, Panigrahi BK, Gandhi T. Transfer learning based brain tumor detection and segmentation using "
        "superpixel technique. IC3A 2020:244-249.",
        "10.1109/IC3A48958.2020.233306",
    ),
    "lu": (
        "Lu S, Lu Z, Zhang YD. Pathological brain detection based on AlexNet and transfer learning. Journal of "
        "Computational Science 2019;30:41-47.",
        "10.1016/j.jocs.2018.11.008",
    ),
    "wronkiewicz": (
        "Wronkiewicz M, Larson E, Lee AK. Leveraging anatomical information to improve transfer learning in "
        "brain-computer interfaces. Journal of Neural Engineering 2015;12:046027.",
        "10.1088/1741-2560/12/4/046027",
    ),
    "yagis": (
        "Yagis E, Atnafu SW, García Seco de Herrera A, et al. Effect of data leakage in brain MRI classification "
        "using 2D convolutional neural networks. Scientific Reports 2021;11:22544.",
        "10.1038/s41598-021-01681-w",
    ),
    "karimi": (
        "Karimi D, Warfield SK, Gholipour A. Transfer learning in medical image segmentation: new insights from "
        "analysis of the dynamics of model parameters and learned representations. Artificial Intelligence in "
        "Medicine 2021;116:102078.",
        "10.1016/j.artmed.2021.102078",
    ),
    "kumar": (
        "Kumar A, Raghunathan A, Jones R, Ma T, Liang P. Fine-tuning can distort pretrained features and "
        "underperform out-of-distribution. ICLR 2022.",
        "10.48550/arXiv.2202.10054",
    ),
    "howard": (
        "Howard J, Ruder S. Universal language model fine-tuning for text classification. ACL 2018:328-339.",
        "10.18653/v1/P18-1031",
    ),
    "l2-sp": (
        "Li X, Grandvalet Y, Davoine F. Explicit inductive bias for transfer learning with convolutional networks. "
        "ICML 2018.",
        "10.48550/arXiv.1802.01483",
    ),
    "lora": (
        "Hu EJ, Shen Y, Wallis P, et al. LoRA: low-rank adaptation of large language models. ICLR 2022.",
        "10.48550/arXiv.2106.09685",
    ),
    "adabn": (
        "Li Y, Wang N, Shi J, Liu J, Hou X. Revisiting batch normalization for practical domain adaptation. ICLR "
        "Workshop 2017.",
        "10.48550/arXiv.1603.04779",
    ),
    "coral": (
        "Sun B, Saenko K. Deep CORAL: correlation alignment for deep domain adaptation. ECCV Workshops 2016.",
        "10.48550/arXiv.1607.01719",
    ),
    "dann": (
        "Ganin Y, Ustinova E, Ajakan H, et al. Domain-adversarial training of neural networks. Journal of Machine "
        "Learning Research 2016;17(59):1-35.",
        "10.48550/arXiv.1505.07818",
    ),
    "monai": (
        "Cardoso MJ, Li W, Brown R, et al. MONAI: an open-source framework for deep learning in healthcare. arXiv"
        " 2022:2211.02701.",
        "10.48550/arXiv.2211.02701",
    ),
    "torch": (
        "Paszke A, Gross S, Massa F, et al. PyTorch: an imperative style, high-performance deep learning library."
        " NeurIPS 2019.",
        "10.48550/arXiv.1912.01703",
    ),
    "deepbet": (
        "Fisch L, Zumdick S, Barkhau C, et al. deepbet: fast brain extraction of T1-weighted MRI using "
        "convolutional neural networks. Computers in Biology and Medicine 2024;179:108845.",
        "10.1016/j.compbiomed.2024.108845",
    ),
    "robex": (
        "Iglesias JE, Liu CY, Thompson PM, Tu Z. Robust brain extraction across datasets and comparison with publicly "
        "available methods. IEEE Transactions on Medical Imaging 2011;30:1617-1634.",
        "10.1109/TMI.2011.2138152",
    ),
    "hd-bet": (
        "Isensee F, Schell M, Pflueger I, et al. Automated brain extraction of multisequence MRI using artificial "
        "neural networks. Human Brain Mapping 2019;40:4952-4964.",
        "10.1002/hbm.24750",
    ),
    "n4": (
        "Tustison NJ, Avants BB, Cook PA, et al. N4ITK: improved N3 bias correction. IEEE Transactions on Medical "
        "Imaging 2010;29:1310-1320.",
        "10.1109/TMI.2010.2046908",
    ),
    "whitestripe": (
        "Shinohara RT, Sweeney EM, Goldsmith J, et al. Statistical normalization techniques for magnetic resonance "
        "imaging. NeuroImage: Clinical 2014;6:9-19.",
        "10.1016/j.nicl.2014.08.008",
    ),
    "nyul": (
        "Nyúl LG, Udupa JK, Zhang X. New variants of a method of MRI scale standardization. IEEE Transactions on "
        "Medical Imaging 2000;19:143-150.",
        "10.1109/42.836373",
    ),
    "combat": (
        "Johnson WE, Li C, Rabinovic A. Adjusting batch effects in microarray expression data using empirical Bayes "
        "methods. Biostatistics 2007;8:118-127.",
        "10.1093/biostatistics/kxj037",
    ),
    "greedy": (
        "Yushkevich PA, Pluta J, Wang H, et al. Fast automatic segmentation of hippocampal subfields and medial "
        "temporal lobe subregions in 3 Tesla and 7 Tesla T2-weighted MRI. Alzheimer's & Dementia "
        "2016;12:P126-P127.",
        "10.1016/j.jalz.2016.06.205",
    ),
    "ants": (
        "Avants BB, Tustison NJ, Song G, et al. A reproducible evaluation of ANTs similarity metric performance "
        "in brain image registration. NeuroImage 2011;54:2033-2044.",
        "10.1016/j.neuroimage.2010.09.025",
    ),
    "simpleitk": (
        "Lowekamp BC, Chen DT, Ibáñez L, Blezek D. The design of SimpleITK. Frontiers in Neuroinformatics 2013;7:45.",
        "10.3389/fninf.2013.00045",
    ),
    "brett": (
        "Brett M, Leff AP, Rorden C, Ashburner J. Spatial normalization of brain images with focal lesions using cost "
        "function masking. NeuroImage 2001;14:486-500.",
        "10.1006/nimg.2001.0845",
    ),
    "mni": (
        "Fonov VS, Evans AC, McKinstry RC, et al. Unbiased nonlinear average age-appropriate brain templates from"
        " birth to adulthood. NeuroImage 2009;47:S102.",
        "10.1016/S1053-8119(09)70884-5",
    ),
    "slic": (
        "Achanta R, Shaji A, Smith K, et al. SLIC superpixels compared to state-of-the-art superpixel methods. "
        "IEEE Transactions on Pattern Analysis and Machine Intelligence 2012;34:2274-2282.",
        "10.1109/TPAMI.2012.120",
    ),
    "brats": (
        "Menze BH, Jakab A, Bauer S, et al. The multimodal brain tumor image segmentation benchmark (BRATS). IEEE"
        " Transactions on Medical Imaging 2015;34:1993-2024.",
        "10.1109/TMI.2014.2377694",
    ),
    "holm": (
        "Holm S. A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics "
        "1979;6:65-70.",
        None,
    ),
    "snakemake": (
        "Mölder F, Jablonski KP, Letcher B, et al. Sustainable data analysis with Snakemake. F1000Research 2021;10:33.",
        "10.12688/f1000research.29032.2",
    ),
}
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
