"""The pictures that train_head.py takes: Tiny ImageNet's, sharp photographs, and what is of none of the classes.

The foreign photographs are those of ImageNet's other classes, in the order of their names: the first, third, … are for
training and choosing, the second, fourth, … for testing. Chance comes from seeds, so that the same pictures come again.
"""
import glob
import io
import json
import os
import random

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont

SIZE = 160  # pixels a side, as the network takes them
MEAN_BGR = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)


def data(tiny, photographs):
    """Tiny ImageNet's pictures, the training ones shuffled, and the list of the photographs of its and of other classes."""
    wnids = sorted(open(f"{tiny}/wnids.txt").read().split())
    read = lambda path: np.asarray(Image.open(path).convert("RGB"))
    train = [(path, label) for label, wnid in enumerate(wnids) for path in sorted(glob.glob(f"{tiny}/train/{wnid}/images/*"))]
    train = [train[i] for i in np.random.default_rng(0).permutation(len(train))]
    lines = [line.split("\t")[:2] for line in open(f"{tiny}/val/val_annotations.txt")]
    validation = [(f"{tiny}/val/images/{name}", wnids.index(wnid)) for name, wnid in lines]
    for name, pairs in (("train", train), ("validation", validation)):
        np.save(f"{name}.pictures.npy", np.stack([read(path) for path, _ in pairs]))
        np.save(f"{name}.labels.npy", np.array([label for _, label in pairs]))
    paths = sorted(glob.glob(f"{photographs}/*.JPEG"))
    class_of = lambda path: os.path.basename(path).split("_")[0]
    sharp = [path for path in paths if class_of(path) in wnids]
    np.save("sharp.labels.npy", np.array([wnids.index(class_of(path)) for path in sharp]))
    json.dump({"sharp": sharp, "foreign": [path for path in paths if path not in sharp]}, open("photographs.json", "w"))


def prepared(image):
    """The shorter side to SIZE, bilinear and antialiased, then the center."""
    scale = SIZE / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.BILINEAR)
    x, y = (image.width - SIZE) // 2, (image.height - SIZE) // 2
    return np.asarray(image.crop((x, y, x + SIZE, y + SIZE)))


def network_input(pictures):
    """Bytes to BGR less the mean, [N, 3, SIZE, SIZE]; a small picture is enlarged as the library enlarges it."""
    rgb = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float()
    if rgb.shape[2] != SIZE:
        rgb = F.interpolate(rgb, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    return (rgb.flip(1) - MEAN_BGR).contiguous(memory_format=torch.channels_last)


def shrunk(path, seed, views=8):
    """A photograph made like a picture of Tiny ImageNet, 64x64 and JPEG: the whole and parts of it. What is foreign must
    not be told by its sharpness."""
    image, r, out = Image.open(path).convert("RGB"), np.random.default_rng(seed), []
    for i in range(views):
        part = image
        if i:
            area, ratio = r.uniform(.25, 1), np.exp(r.uniform(-.3, .3))
            w, h = min(image.width, int(image.width * (area * ratio) ** .5)), min(image.height, int(image.height * (area / ratio) ** .5))
            x, y = r.integers(image.width - w + 1), r.integers(image.height - h + 1)
            part = image.crop((x, y, x + w, y + h))
            part = part.transpose(Image.FLIP_LEFT_RIGHT) if r.random() < .5 else part
        file = io.BytesIO()
        part.resize((64, 64), Image.LANCZOS if i % 2 else Image.BICUBIC).save(file, "JPEG", quality=90)
        out.append(np.asarray(Image.open(file)))
    return out


def document(r):
    side = 2 * SIZE
    image = Image.new("RGB", (side, int(side * r.uniform(1, 1.4))), tuple(r.randint(225, 255) for _ in range(3)))
    draw, y, left = ImageDraw.Draw(image), r.randint(4, 40), r.randint(6, 40)
    word = lambda: "".join(r.choices("etaoinshrdlucmfwyp", k=r.randint(1, 10)))
    while y < image.height - 10:
        size = r.choice([9, 11, 13, 13, 16, 24])
        font = ImageFont.load_default(size)
        ink = tuple(r.randint(0, 90) for _ in range(3)) if r.random() < .9 else (20, 40, 160)
        for _ in range(r.randint(1, 8)):
            draw.text((left, y), " ".join(word() for _ in range(r.randint(1, 12))), ink, font)
            y += int(size * 1.3)
        if r.random() < .2:
            for _ in range(r.randint(2, 6)):
                draw.line((left, y, side - left, y), ink)
                y += size
        y += size
    return image


def drawing(r):
    side = 2 * SIZE
    point = lambda: (r.randint(0, side), r.randint(0, side))
    image = Image.new("RGB", (side, side), (255, 255, 255) if r.random() < .6 else tuple(r.randint(150, 255) for _ in range(3)))
    draw, filled = ImageDraw.Draw(image), r.random() < .5
    for _ in range(r.randint(3, 30)):
        color = tuple(r.randint(0, 255) for _ in range(3)) if filled else (r.randint(0, 60),) * 3
        width, (x0, y0), (x1, y1), shape = r.randint(1, 6), point(), point(), r.randint(0, 4)
        box, fill = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), color if filled else None
        if shape == 0:
            draw.line([point() for _ in range(r.randint(2, 6))], color, width, joint="curve")
        elif shape == 1:
            draw.ellipse(box, fill, (0, 0, 0), width)
        elif shape == 2:
            draw.rectangle(box, fill, (0, 0, 0), width)
        elif shape == 3:
            draw.polygon([point() for _ in range(r.randint(3, 6))], fill, (0, 0, 0))
        else:
            draw.arc(box, r.randint(0, 360), r.randint(0, 360), color, width)
    return image


def noise(r):
    g = np.random.default_rng(r.getrandbits(32))
    cells, channels = r.choice([4, 8, 16, 40, SIZE, SIZE]), r.choice([1, 3])
    shape = (cells, cells, channels)
    values = g.normal(r.uniform(60, 200), r.uniform(20, 80), shape) if r.random() < .5 else g.uniform(0, 255, shape)
    image = Image.fromarray(np.broadcast_to(values, (cells, cells, 3)).clip(0, 255).astype(np.uint8))
    return image.resize((SIZE, SIZE), r.choice([Image.NEAREST, Image.BILINEAR, Image.BICUBIC]))


def gradient(r):
    corners = np.array([r.randint(0, 255) for _ in range(12)], np.uint8).reshape(2, 2, 3)
    if r.random() < .5:
        corners[1] = corners[0]
    return Image.fromarray(corners).resize((SIZE, SIZE), Image.BICUBIC).rotate(r.choice([0, 90, 180]))


DRAWN = {"drawing": drawing, "document": document, "noise": noise, "gradient": gradient}


def drawn(half):
    """A hundred pictures of each kind; half 0 is for training and choosing, 1 for testing."""
    return np.stack([prepared(make(random.Random(f"{kind} {2 * i + half}"))) for kind, make in DRAWN.items() for i in range(100)])
