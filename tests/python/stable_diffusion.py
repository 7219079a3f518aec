"""Stable Diffusion and LoRA files against the real diffusers and peft: the same pictures, and every file loads.

    python stable_diffusion.py ATELIER [--keep FOLDER]

ATELIER is the built program. Makes a tiny random model and LoRAs of it, lets diffusers and `atelier stylize` draw the same
photos with the same seeds, and compares: their mean difference must be below one grey level (1/255). Exit code 77 when a
library is missing. Needs: torch diffusers peft transformers accelerate pillow numpy.
"""

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")
try:
    import numpy as np
    import torch
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        DPMSolverMultistepScheduler,
        EulerDiscreteScheduler,
        PNDMScheduler,
        StableDiffusionImg2ImgPipeline,
        StableDiffusionInstructPix2PixPipeline,
        UNet2DConditionModel,
    )
    from diffusers.training_utils import _collate_lora_metadata
    from diffusers.utils import convert_state_dict_to_diffusers, logging
    from peft import LoraConfig, get_peft_model_state_dict
    from PIL import Image
    from safetensors.torch import load_file, save_file
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer
    from transformers.utils import logging as transformers_logging
except ImportError as error:
    print(f"{error}: pip install torch diffusers peft transformers accelerate pillow numpy")
    sys.exit(77)

logging.set_verbosity_error()
logging.disable_progress_bar()
transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()
parser = argparse.ArgumentParser()
parser.add_argument("atelier", type=Path)
parser.add_argument("--keep", type=Path, help="leave everything in this folder")
arguments = parser.parse_args()
scratch = tempfile.TemporaryDirectory()
root = arguments.keep or Path(scratch.name)
root.mkdir(parents=True, exist_ok=True)
atelier = arguments.atelier.resolve()
repository = Path(__file__).resolve().parent.parent.parent
base = root / "base"
PROMPT, NEGATIVE = "Ghibli-illustration, 3 cats & a dog's house!", "blurry, naïve"
FACTORS = {"ddim": (DDIMScheduler, {}), "pndm": (PNDMScheduler, {}), "dpmpp-2m": (DPMSolverMultistepScheduler, {}),
           "dpmpp-2m-karras": (DPMSolverMultistepScheduler, {"use_karras_sigmas": True}), "euler": (EulerDiscreteScheduler, {})}


def write_tokenizer(folder):
    """transformers' files from the vocabulary that Atelier has built in."""
    packed = (repository / "src/models/stable_diffusion/clip_merges.txt.gz").read_bytes()
    merges = gzip.decompress(packed).decode().splitlines()[1:]
    printing = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in printing]
    symbols = [chr(byte) for byte in printing] + [chr(256 + at) for at in range(len(rest))]
    tokens = symbols + [symbol + "</w>" for symbol in symbols] + ["".join(line.split()) for line in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({token: at for at, token in enumerate(tokens)}, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    (folder / "tokenizer_config.json").write_text(json.dumps({**special, "model_max_length": 77, "tokenizer_class": "CLIPTokenizer", "do_lower_case": True}))


def make_base():
    torch.manual_seed(5)
    unet = UNet2DConditionModel(
        sample_size=16, cross_attention_dim=32, attention_head_dim=2, block_out_channels=(16, 32), layers_per_block=1, norm_num_groups=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"))
    vae = AutoencoderKL(block_out_channels=(8, 8, 16, 16), layers_per_block=1, norm_num_groups=4, sample_size=64,
                        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4)
    text = CLIPTextModel(CLIPTextConfig(vocab_size=49408, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
                                        bos_token_id=49406, eos_token_id=49407, pad_token_id=49407))
    for parameter in text.parameters():  # transformers begins so small that prompts hardly differ
        parameter.data.mul_(4)
    write_tokenizer(root / "tokenizer")
    scheduler = PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1)
    pipe = StableDiffusionImg2ImgPipeline(vae, text, CLIPTokenizer.from_pretrained(root / "tokenizer"), unet, scheduler, None, None, requires_safety_checker=False)
    pipe.save_pretrained(base)
    # As the published file: without a spacing, so that every sampler takes its own, and without clipping.
    file = base / "scheduler/scheduler_config.json"
    config = {**json.loads(file.read_text()), "clip_sample": False}
    del config["timestep_spacing"]
    file.write_text(json.dumps(config))


def photos():
    rng, made = np.random.default_rng(3), []
    for name in ("a", "b"):
        small = Image.fromarray(rng.integers(0, 256, (8, 6, 3), dtype=np.uint8))
        image = small.resize((48, 64), Image.BICUBIC)
        (root / "photos").mkdir(exist_ok=True)
        image.save(root / "photos" / f"{name}.png")
        made.append(image)
    return made


def stylize(name, *options):
    out = root / "out" / name
    command = [atelier, "stylize", "--base", str(base), "--prompt", PROMPT, "--negative", NEGATIVE, "--device", "cpu", str(root / "photos"), "-o", str(out), "--force"]
    replaced = [str(option) for option in options]
    if "--base" in replaced:
        command[3] = replaced.pop(replaced.index("--base") + 1)
        replaced.remove("--base")
    done = subprocess.run(command + replaced, capture_output=True, text=True)
    assert done.returncode == 0, f"{command + replaced}\n{done.stderr}"
    return [np.asarray(Image.open(out / f"{photo}.png").convert("RGB"), dtype=float) for photo in ("a", "b")]


def lora(*options):
    done = subprocess.run([atelier, "lora", *map(str, options)], capture_output=True, text=True)
    assert done.returncode == 0, f"{options}\n{done.stderr}"
    return done.stdout


def pipeline(sampler="dpmpp-2m", folder=base):
    pipe = StableDiffusionImg2ImgPipeline.from_pretrained(folder, safety_checker=None)
    cls, more = FACTORS[sampler]
    pipe.scheduler = cls.from_config(pipe.scheduler.config, **more)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe, images, seed=7, strength=0.6, steps=12, guidance=7.5):
    generators = [torch.Generator("cpu").manual_seed(seed) for _ in images]
    many = len(images)
    out = pipe([PROMPT] * many, image=images, negative_prompt=[NEGATIVE] * many, strength=strength, num_inference_steps=steps,
               guidance_scale=guidance, generator=generators)
    return [np.asarray(image, dtype=float) for image in out.images]


failures = []


def compare(what, ours, theirs):
    mean = max(np.abs(a - b).mean() for a, b in zip(ours, theirs))
    worst = max(np.abs(a - b).max() for a, b in zip(ours, theirs))
    print(f"{what:44} mean {mean:.4f}  largest {worst:.0f}  (grey levels of 255)")
    if not mean <= 1.0:
        failures.append(what)


def differs(what, ours, theirs):
    """A comparison that says nothing unless the pictures would differ otherwise."""
    mean = max(np.abs(a - b).mean() for a, b in zip(ours, theirs))
    print(f"{what:44} mean {mean:.1f}: they do differ")
    if mean < 3:
        failures.append(what)


make_base()
images = photos()
options = ["--seed", 7, "--steps", 12]
plain = draw(pipeline(), images)

for sampler in FACTORS:
    compare(f"sampler {sampler}", stylize(sampler, *options, "--sampler", sampler), draw(pipeline(sampler), images))
compare("batch of two", stylize("batch", *options, "--batch", 2), plain)
compare("strength 1, without guidance", stylize("free", *options, "--strength", 1, "--guidance", 1), draw(pipeline(), images, strength=1.0, guidance=1.0))
differs("another seed", stylize("seed", "--seed", 8, "--steps", 12), plain)

# A LoRA by peft, saved by diffusers with its metadata: attention and convolutions of the UNet, the text encoder.
pipe = pipeline()
torch.manual_seed(11)
pipe.unet.add_adapter(LoraConfig(r=4, lora_alpha=16, init_lora_weights=False, rank_pattern={"conv1": 2}, alpha_pattern={"conv1": 6},
                                 target_modules=["to_q", "to_k", "to_v", "to_out.0", "conv1", "proj_in", "ff.net.0.proj", "time_emb_proj"]))
pipe.text_encoder.add_adapter(LoraConfig(r=2, lora_alpha=4, init_lora_weights=False, target_modules=["q_proj", "out_proj", "fc1"]))
for module in (pipe.unet, pipe.text_encoder):
    for name, parameter in module.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(0, 0.12)
with_lora = draw(pipe, images)
differs("with and without the LoRA", with_lora, plain)
saved = root / "saved"
layers = {name: convert_state_dict_to_diffusers(get_peft_model_state_dict(module)) for name, module in (("unet", pipe.unet), ("text_encoder", pipe.text_encoder))}
metadata = _collate_lora_metadata({"unet": pipe.unet, "text_encoder": pipe.text_encoder})
StableDiffusionImg2ImgPipeline.save_lora_weights(saved, layers["unet"], layers["text_encoder"], **metadata)
compare("LoRA saved by diffusers", stylize("saved", *options, "--lora", saved), with_lora)

# What Atelier writes, read by diffusers and by itself.
lora("convert", saved, "--to", "diffusers", "-o", root / "folded")
lora("convert", saved, "--to", "diffusers", "--keep-alpha", "-o", root / "header")
lora("convert", saved, "--to", "kohya", "-o", root / "kohya.safetensors")
lora("convert", root / "kohya.safetensors", "--to", "diffusers", "-o", root / "back")
bare = root / "bare"  # the folded file as an old diffusers, or ComfyUI, sees it: without the metadata
bare.mkdir()
save_file(load_file(root / "folded/pytorch_lora_weights.safetensors"), bare / "pytorch_lora_weights.safetensors", {"format": "pt"})
for name in ("folded", "bare", "header", "kohya.safetensors", "back"):
    pipe = pipeline()
    pipe.load_lora_weights(root / name if (root / name).is_dir() else str(root), weight_name=name if name.endswith("safetensors") else None)
    compare(f"{name}: read by diffusers", draw(pipe, images), with_lora)
    compare(f"{name}: read by atelier", stylize(name, *options, "--lora", root / name), with_lora)
unsaid = root / "unsaid"  # without the scale: as weak as diffusers takes it
unsaid.mkdir()
save_file(load_file(root / "header/pytorch_lora_weights.safetensors"), unsaid / "pytorch_lora_weights.safetensors", {"format": "pt"})
pipe = pipeline()
pipe.load_lora_weights(unsaid)
weak = draw(pipe, images)
differs("without a word on alpha", weak, with_lora)
compare("the same, read by atelier", stylize("unsaid", *options, "--lora", unsaid), weak)

# Half strength, and two at once.
pipe = pipeline()
pipe.load_lora_weights(root / "header", adapter_name="one")
pipe.load_lora_weights(root / "unsaid", adapter_name="two")
pipe.set_adapters(["one"], [0.5])
compare("at half strength", stylize("half", *options, "--lora", f"{root / 'header'}:0.5"), draw(pipe, images))
pipe.set_adapters(["one", "two"], [0.7, -0.4])
compare("two LoRAs at once", stylize("two", *options, "--lora", f"{root / 'header'}:0.7", "--lora", f"{root / 'unsaid'}:-0.4"), draw(pipe, images))

# Merged into the base: a model of its own.
merged = root / "merged"
shutil.rmtree(merged, ignore_errors=True)
lora("merge", "--base", base, "--lora", root / "header", "-o", merged)
compare("merged: read by diffusers", draw(pipeline(folder=merged), images), with_lora)
compare("merged: read by atelier", stylize("merged", *options, "--base", merged), with_lora)

# The paired variant: a wider conv_in beside the LoRA's file, three-way guidance from pure noise.
torch.manual_seed(13)
unet = UNet2DConditionModel.from_pretrained(base / "unet")
old = unet.conv_in.weight.data
paired = root / "paired"
conv_in = {"conv_in.weight": torch.cat([old, torch.randn_like(old) * 0.2], 1), "conv_in.bias": unet.conv_in.bias.data + 0.1}
save_file(conv_in, root / "header/pytorch_lora_weights.conv_in.safetensors", {"format": "pt"})
lora("convert", root / "header", "--to", "diffusers", "-o", paired, "--force")
wide = UNet2DConditionModel.from_config({**unet.config, "in_channels": 8})
wide.load_state_dict({**unet.state_dict(), **load_file(paired / "pytorch_lora_weights.conv_in.safetensors")})


def edit(pipe, images, image_guidance=1.5):
    pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    generators = [torch.Generator("cpu").manual_seed(7) for _ in images]
    many = len(images)
    out = pipe([PROMPT] * many, image=images, negative_prompt=[NEGATIVE] * many, num_inference_steps=12, guidance_scale=7.5,
               image_guidance_scale=image_guidance, generator=generators)
    return [np.asarray(image, dtype=float) for image in out.images]


parts = pipeline().components
parts.pop("image_encoder", None)
pipe = StableDiffusionInstructPix2PixPipeline(**{**parts, "unet": wide}, requires_safety_checker=False)
pipe.load_lora_weights(paired)
edited = edit(pipe, images)
compare("paired LoRA", stylize("paired", *options, "--lora", paired), edited)
compare("paired LoRA, more of the photo", stylize("paired2", *options, "--lora", paired, "--image-guidance", 3, "--batch", 2), edit(pipe, images, 3))
shutil.rmtree(root / "merged-paired", ignore_errors=True)
lora("merge", "--base", base, "--lora", paired, "-o", root / "merged-paired")
pipe = StableDiffusionInstructPix2PixPipeline.from_pretrained(root / "merged-paired", safety_checker=None)
compare("paired, merged: read by diffusers", edit(pipe, images), edited)
compare("paired, merged: read by atelier", stylize("paired3", *options, "--base", root / "merged-paired"), edited)

if failures:
    print("FAILED: " + ", ".join(failures))
    sys.exit(1)
print("all pictures agree to below one grey level")
