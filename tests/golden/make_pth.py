#!/usr/bin/env python3
"""State dicts as PyTorch itself writes them, for tests/it/weights.rs:  python make_pth.py   (needs torch, safetensors)"""
import os
from collections import OrderedDict

import torch
from safetensors.torch import save_file

out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pth")
os.makedirs(out, exist_ok=True)
torch.manual_seed(1)
net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.BatchNorm2d(2))
state = net.state_dict()
state["turned"] = torch.arange(6.0).reshape(2, 3).t()
state["half"] = torch.linspace(0, 1, 5).half()
state["bfloat"] = torch.linspace(0, 1, 5).bfloat16()
state["double"] = torch.linspace(0, 1, 5).double()
state["bytes"] = torch.arange(4, dtype=torch.uint8)
state["flags"] = torch.tensor([True, False])
state["slice"] = torch.arange(10, dtype=torch.int32)[3:8:2]
state["parameter"] = torch.nn.Parameter(torch.ones(2, 2))
save_file({k: v.detach().clone().contiguous() for k, v in state.items()}, f"{out}/expected.safetensors")

shared = torch.arange(10.0)
torch.save(state, f"{out}/zip.pth")
torch.save(state, f"{out}/protocol4.pth", pickle_protocol=4)
torch.save({**state, "extra.view": shared[5:8]}, f"{out}/legacy.pth", _use_new_zipfile_serialization=False)
torch.save({"epoch": 3, "opt": {"lr": [1e-4, None]}, "big": 1 << 80, "state_dict": state}, f"{out}/nested.pth")
torch.save(net, f"{out}/module.pth")
torch.save({"a": torch.zeros(1).expand(1 << 40)}, f"{out}/expanded.pth")
torch.save(OrderedDict(epoch=3), f"{out}/empty.pth")
