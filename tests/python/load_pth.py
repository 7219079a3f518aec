#!/usr/bin/env python3
"""Does PyTorch read a .pth as it reads the safetensors file of the same tensors?  python load_pth.py FILE.pth FILE.safetensors"""
import sys

try:
    import torch
    from safetensors.torch import load_file
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit(77)

want = load_file(sys.argv[2])
for mmap in (False, True):
    have = torch.load(sys.argv[1], weights_only=True, mmap=mmap)
    assert sorted(have) == sorted(want), (list(have), list(want))
    for name, tensor in have.items():
        assert tensor.dtype == want[name].dtype and torch.equal(tensor, want[name]), name
        assert tensor.is_contiguous() and not tensor.requires_grad, name
print(" ".join(have))
