"""The paper's constants, each with its source; what the paper leaves open is marked "ours".

Reference: HAQAGen, "Histogram Assisted Quality Aware Generative Model for Resolution Invariant
NIR Image Colorization" (WACV 2026). Everything else in the package refers to these names.
"""

# Objective: Eq. (3) and the sentence below it.
ALPHA = 1.0  # texture, squared distance
BETA = 1.5  # CDF
GAMMA = 1.0  # texture, cosine
DELTA = 0.2  # VGG-19

# Eq. (4); the ratio 15 : 15 : 1 is given in Sec. 4, "Training protocol".
LAMBDA_MSE = 15.0
LAMBDA_FEAT = 15.0
LAMBDA_ADV = 1.0

# Differentiable histogram: Sec. 3.2.
HISTOGRAM_BINS = 64
HISTOGRAM_TAU = 0.02

# Optimization: Sec. 4, "Training protocol".
LEARNING_RATE = 1e-4
LEARNING_RATE_FINAL = 1e-6
ADAM_B1 = 0.5
ADAM_B2 = 0.999
WEIGHT_DECAY = 1e-4
EPOCHS = 50
BATCH_SIZE = 16  # global, over four devices

# Crops and augmentation: Sec. 3.3 and 4.1.
PATCH = 256
PRECROP = 384
LONG_SIDE = 512
FLIP_PROBABILITY = 0.5
SATURATION_JITTER = 0.1

# Sliding-window inference: Sec. 3.3, Algorithm 1.
STRIDE = 222

# Architecture. Depth and widths are those of the ColorMamba generator that Sec. 3.1 adopts.
LEVELS = 8  # stride-2 levels: 256 -> 1
SCAN_LEVELS = 3  # the first levels hold selective-scan groups
WIDTH = 64
D_STATE = 16
EXPAND = 2
SPADE_HIDDEN = 128
ATTENTION_HEADS = 8
AGENT_TOKENS = 49
TEXTURE_WIDTHS = (16, 32, 64, 128)  # Sec. 3.3 says four layers; the widths are ours
CRITIC_WIDTH = 64  # 70x70 PatchGAN: Sec. 3.2
