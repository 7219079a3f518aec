"""Load what `atelier dataset export` and `card` write with the libraries they are written for.

    python load_exports.py DATASET EXPORTS

EXPORTS holds the folders imagefolder, webdataset and parquet. Exit code 77 when a library is missing.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

root, exports = Path(sys.argv[1]), Path(sys.argv[2])
scratch = tempfile.TemporaryDirectory()
os.environ["HF_HOME"] = scratch.name
os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"

try:
    import datasets
    import webdataset
    import yaml
    from huggingface_hub import DatasetCard
    from PIL import Image
except ImportError as error:
    print(f"{error}: pip install datasets webdataset huggingface_hub pillow pyyaml")
    sys.exit(77)

datasets.disable_progress_bars()
manifest = {line["id"]: line for line in map(json.loads, (root / "manifest.jsonl").open())}


def pixels(image):
    return image.size, image.convert("RGB").tobytes()


def check(sample, original, edited):
    """One sample against the files it was made of."""
    entry = manifest[sample["id"]]
    assert sample["source"] == entry["source"], sample
    assert sample["synthetic"] == entry["synthetic"], sample
    assert pixels(original) == pixels(Image.open(root / entry["photo"]["file"])), sample["id"]
    assert pixels(edited) == pixels(Image.open(root / entry["illustration"]["file"])), sample["id"]
    return sample["id"]


def check_splits(name, loaded):
    assert set(loaded) == {"train", "validation"}, loaded
    for column in ("original", "edited"):
        assert isinstance(loaded["train"].features[column], datasets.Image), loaded["train"].features
    seen = [check(row, row["original"], row["edited"]) for split in loaded.values() for row in split]
    assert sorted(seen) == sorted(manifest), (name, seen)
    print(f"{name}: {', '.join(f'{split} {len(rows)}' for split, rows in loaded.items())}")


for name in ("imagefolder", "parquet"):
    check_splits(name, datasets.load_dataset(str(exports / name), cache_dir=f"{scratch.name}/{name}"))

seen = []
for split in ("train", "validation"):
    shards = sorted(str(path) for path in (exports / "webdataset").glob(f"{split}-*.tar"))
    for sample in webdataset.WebDataset(shards, shardshuffle=False).decode("pil"):
        seen.append(check(sample["json"], sample["o.png"], sample["g.png"]))
assert sorted(seen) == sorted(manifest), seen
print(f"webdataset: {len(seen)} samples")

# `datasets` reads the shards too.
shards = {split: str(exports / "webdataset" / f"{split}-*.tar") for split in ("train", "validation")}
loaded = datasets.load_dataset("webdataset", data_files=shards, cache_dir=f"{scratch.name}/wds")
for rows in loaded.values():
    for row in rows:
        check(row["json"], row["o.png"], row["g.png"])

card = DatasetCard.load(root / "README.md")
header = yaml.safe_load((root / "README.md").read_text().split("---")[1])
assert card.data.to_dict() == header, (card.data.to_dict(), header)
assert header["license"] == "cc-by-4.0" and header["task_categories"] == ["image-to-image"], header
assert header["pretty_name"] == 'A: "title" # with signs', header
print("card:", header)
print("all exports load")
