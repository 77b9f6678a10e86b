"""AdamW without torch's compiler, which `torch.optim` imports on first use although nothing here is compiled."""

import inspect

import torch


class AdamW(torch.optim.AdamW):
    """`torch.optim.AdamW` (Loshchilov and Hutter 2019) with the methods that its decorators wrap.

    The decorators import the compiler in order to exclude these methods from it, which takes 1.4 s of CPU time in every
    training process. The methods themselves, and thus the results, are torch's. `step` still runs without recording
    gradients; `differentiable=True`, which would record them, is not used.
    """

    add_param_group = inspect.unwrap(torch.optim.AdamW.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.AdamW.zero_grad)
    state_dict = inspect.unwrap(torch.optim.AdamW.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.AdamW.load_state_dict)
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))
