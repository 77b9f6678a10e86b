"""AdamW without torch's compiler, which `torch.optim` imports on its first use though nothing here is compiled."""

import inspect

import torch


class AdamW(torch.optim.AdamW):
    """`torch.optim.AdamW` (Loshchilov and Hutter 2019) with the methods that its decorators wrap.

    The decorators ask the compiler to leave these methods alone, and import it to do so: 1.4 s of processor time in
    every process that trains. The methods themselves, and so the numbers, are torch's. `step` keeps that no gradients
    are recorded; `differentiable=True`, which would, is not used.
    """

    add_param_group = inspect.unwrap(torch.optim.AdamW.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.AdamW.zero_grad)
    state_dict = inspect.unwrap(torch.optim.AdamW.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.AdamW.load_state_dict)
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))
