#!/usr/bin/env python3
"""Ids of transformers' CLIPTokenizer for prompts that are hard to split, for tokenizer.rs.

    python make_sd_tokenizer.py VOCABULARY_FOLDER OUT.json     (needs transformers 5; the folder has vocab.json and merges.txt)
"""
import json, random, sys

from transformers import CLIPTokenizer

PROMPTS = [
    "nai\u0308ve cafe\u0301", "ΣΟΦΟΣ σοφός", "İstanbul ISTANBUL ıstanbul", "straße STRASSE ẞ", "l'été, qu'il fait chaud", "don't won't can't it'S I'LL",
    "'tis the season's 's", "rock'n'roll 're've'm", "3.14159 1,000,000 10²³ ½ ⅷ ➊ ٣", "a_b-c/d\\e|f", "!!!???...", "((masterpiece:1.2)), [low], {x}",
    "<lora:ghibli:0.8> <|endoftext|> <|startoftext|> <|end|>", "कि की नमस्ते दुनिया", "สวัสดีชาวโลก", "東京タワー、夜景", "안녕하세요 세계", "👨‍👩‍👧‍👦 family 🇯🇵🏳️‍🌈", "\u200bzero\u200dwidth\ufeff",
    "tab\tnew\nline\u3000wide\xa0hard", "ﬁnance ﬂow Ａｌｐｈａ", "ﻼ لا إله", "Ⓐ ⓐ Ⅳ ª º ʰ", "x" * 90, "ab" * 120, "the " * 80, "antidisestablishmentarianism" * 5, "", " ", "\x00\x1f", "A" * 3 + "\u0301" * 5,
    "studio ghibli, miyazaki hayao, totoro, howl's moving castle, watercolor background, lush greenery, 4k", "#hashtag @user https://example.org/a?b=c&d=%20", "“quotes” ‘single’ — dash…",
]
random.seed(4)
ranges = [(0x20, 0x7f), (0xa0, 0x24f), (0x370, 0x3ff), (0x400, 0x4ff), (0x900, 0x97f), (0x2000, 0x206f), (0x2150, 0x218f), (0x3040, 0x30ff), (0x1f300, 0x1f5ff)]
for _ in range(60):
    PROMPTS.append("".join(chr(random.randrange(*random.choice(ranges))) for _ in range(random.randrange(1, 40))))
tokenizer = CLIPTokenizer.from_pretrained(sys.argv[1])
ids = [tokenizer(prompt, padding="max_length", max_length=77, truncation=True).input_ids for prompt in PROMPTS]
json.dump({"prompts": PROMPTS, "ids": ids}, open(sys.argv[2], "w"), ensure_ascii=False)
