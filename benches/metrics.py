"""What `cargo bench --bench metrics` is compared with: torchmetrics, lpips and pytorch-fid on the same files.

Two ways each: a loop that opens a pair with PIL and measures it, as most scripts do, and a DataLoader whose processes
decode ahead, in batches. No gradients. Timed from the first file to the last value, networks loaded before.

    pip install torch==2.11.0 torchvision==0.26.0 torchmetrics==1.9.0 lpips==0.1.4 pytorch-fid==0.3.0 safetensors
    python benches/metrics.py OUT TARGETS --metric lpips-alex --weights alexnet.safetensors
"""

import argparse
import json
import pathlib
import time
import warnings

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import to_tensor

warnings.filterwarnings("ignore")


class Pairs(Dataset):
    def __init__(self, outputs, targets):
        self.pairs = [(path, pathlib.Path(targets) / path.name) for path in sorted(pathlib.Path(outputs).glob("*.png"))]

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        return tuple(to_tensor(Image.open(path).convert("RGB")) for path in self.pairs[index])


def ssim():
    from torchmetrics.functional.image import structural_similarity_index_measure

    return lambda a, b: structural_similarity_index_measure(a, b, data_range=1.0, reduction="none")


def lpips(weights, net, device):
    import lpips as package
    from safetensors.torch import load_file

    model = package.LPIPS(net=net, pretrained=True, pnet_rand=True, verbose=False).eval().to(device)
    tensors = load_file(weights)
    for name, tensor in model.net.named_parameters():
        # net.slice2.3.weight is torchvision's features.3.weight
        tensor.data.copy_(tensors["features." + name.split(".", 1)[1]])
    return lambda a, b: model(a * 2 - 1, b * 2 - 1).flatten()


def fid(weights):
    import inspect

    import scipy.linalg
    from pytorch_fid import inception
    from safetensors.torch import load_file

    tensors = load_file(weights)
    inception.load_state_dict_from_url = lambda *_, **__: tensors
    strict = torch.nn.Module.load_state_dict
    torch.nn.Module.load_state_dict = lambda module, state: strict(module, state, strict=False)
    # pytorch-fid 0.3.0 asks scipy's square root for what newer releases no longer give.
    root = scipy.linalg.sqrtm
    if "disp" not in inspect.signature(root).parameters:
        scipy.linalg.sqrtm = lambda matrix, disp=True: (root(matrix), None)
    model = inception.InceptionV3([3]).eval()
    torch.nn.Module.load_state_dict = strict
    return model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("outputs")
    parser.add_argument("targets")
    parser.add_argument("--metric", required=True)
    parser.add_argument("--weights")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    pairs = Pairs(options.outputs, options.targets)
    loader = DataLoader(pairs, options.batch, num_workers=options.workers)

    if options.metric == "fid":
        from pytorch_fid.fid_score import calculate_activation_statistics, calculate_frechet_distance

        model = fid(options.weights).to(options.device)
        for mode, workers in (("loop", 0), ("loader", options.workers)):
            begin = time.perf_counter()
            stats = [
                calculate_activation_statistics([pair[side] for pair in pairs.pairs], model, options.batch, 2048, options.device, workers)
                for side in (0, 1)
            ]
            value = calculate_frechet_distance(*stats[0], *stats[1])
            print(json.dumps({"mode": mode, "seconds": time.perf_counter() - begin, "value": float(value)}), flush=True)
        return

    measure = ssim() if options.metric == "ssim" else lpips(options.weights, options.metric.removeprefix("lpips-"), options.device)
    measure(*(image[None].to(options.device) for image in pairs[0]))
    for mode in ("loop", "loader"):
        begin = time.perf_counter()
        batches = ([image[None] for image in pair] for pair in pairs) if mode == "loop" else loader
        values = torch.cat([measure(a.to(options.device), b.to(options.device)) for a, b in batches])
        value = values.double().mean().item()
        print(json.dumps({"mode": mode, "seconds": time.perf_counter() - begin, "value": value}), flush=True)


if __name__ == "__main__":
    main()
