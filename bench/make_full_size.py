"""Writes a VGG16 of the paper's size with random weights: make_full_size.py FORMAT FILE.

FORMAT is safetensors, pytorch, legacy, keras, npz, npy, caffe, onnx or mat, which need the packages that
tests/fixtures/checkpoints/make_checkpoints.py needs, and of mat scipy; or checkpoint, savedmodel or frozen, which
need TensorFlow. A savedmodel is a folder, and FILE is what a checkpoint's files begin with.
"""
import json
import struct
import sys

import numpy as np

WIDTHS = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
NAMES = ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv4_1", "conv4_2", "conv4_3",
         "conv5_1", "conv5_2", "conv5_3"]
BLOCK_ENDS = ["conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"]
FEATURES = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
DENSE = [("fc6", 0, 25088, 4096), ("fc7", 3, 4096, 4096), ("fc8", 6, 4096, 1000)]


def layers():
    """(paper's name, torchvision's name, weight [O, ...], bias), one at a time."""
    random = np.random.default_rng(1)
    inputs = 3
    for name, index, width in zip(NAMES, FEATURES, WIDTHS):
        weight = random.standard_normal((width, inputs, 3, 3), np.float32) * np.float32(0.02)
        yield name, f"features.{index}", weight, random.standard_normal(width, np.float32)
        inputs = width
    for name, index, inputs, outputs in DENSE:
        weight = random.standard_normal((outputs, inputs), np.float32) * np.float32(0.01)
        yield name, f"classifier.{index}", weight, random.standard_normal(outputs, np.float32)


def state():
    import torch
    return {f"{name}.{part}": torch.from_numpy(array) for _, name, weight, bias in layers()
            for part, array in (("weight", weight), ("bias", bias))}


def tensorflow(weight):
    return weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T


def write_safetensors(path):
    header, offset = {}, 0
    for _, name, weight, bias in layers():
        for part, array in (("weight", weight), ("bias", bias)):
            header[f"{name}.{part}"] = {"dtype": "F32", "shape": array.shape, "data_offsets": [offset, offset + array.nbytes]}
            offset += array.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, weight, bias in layers():
            file.write(weight)
            file.write(bias)


def write_pytorch(path, is_zip=True):
    import torch
    torch.save(state(), path, _use_new_zipfile_serialization=is_zip)


def write_keras(path):
    import h5py
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([name.encode() for name in NAMES + ["fc6", "fc7", "fc8"]])
        for name, _, weight, bias in layers():
            group = file.create_group(name)
            group.create_dataset(f"{name}_W_1:0", data=np.ascontiguousarray(tensorflow(weight)))
            group.create_dataset(f"{name}_b_1:0", data=bias)


def write_npz(path):
    with open(path, "wb") as file:
        np.savez(file, **{f"{name}_{part}": np.ascontiguousarray(array) for name, _, weight, bias in layers()
                          for part, array in (("W", tensorflow(weight)), ("b", bias))})


def write_npy(path):
    with open(path, "wb") as file:
        np.save(file, {name: [np.ascontiguousarray(tensorflow(weight)), bias] for name, _, weight, bias in layers()}, allow_pickle=True)


def write_caffe(path):
    def varint(value):
        out = b""
        while value > 127:
            out += bytes([value & 127 | 128])
            value >>= 7
        return out + bytes([value])

    def field(number, *parts):
        return varint(number * 8 + 2) + varint(sum(len(part) for part in parts)), parts

    def blob(array):
        shape = b"".join(varint(size) for size in array.shape)
        head, data = field(5, array.tobytes())
        return [b"\x3a" + varint(len(shape) + 1 + len(varint(len(shape)))) + b"\x0a" + varint(len(shape)) + shape, head, *data]

    with open(path, "wb") as file:
        file.write(b"\x0a\x05vgg16")
        for name, _, weight, bias in layers():
            kind = b"Convolution" if weight.ndim == 4 else b"InnerProduct"
            parts = [b"\x0a" + varint(len(name)) + name.encode(), b"\x12" + varint(len(kind)) + kind]
            for array in (weight, bias):
                head, body = field(7, *blob(array))
                parts += [head, *body]
            head, body = field(100, *parts)
            file.write(head)
            for part in body:
                file.write(part)


def write_onnx(path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    nodes, initializers, x = [], [], "data"
    for name, _, weight, bias in layers():
        initializers += [numpy_helper.from_array(weight, f"{name}.weight"), numpy_helper.from_array(bias, f"{name}.bias")]
        kind, more = ("Conv", {"pads": [1, 1, 1, 1]}) if weight.ndim == 4 else ("Gemm", {"transB": 1})
        nodes.append(helper.make_node(kind, [x, f"{name}.weight", f"{name}.bias"], [name], **more))
        x = name
        if name != "fc8":
            nodes.append(helper.make_node("Relu", [x], [f"relu_{name}"]))
            x = f"relu_{name}"
        if name in BLOCK_ENDS:
            nodes.append(helper.make_node("MaxPool", [x], [f"pool_{name}"], kernel_shape=[2, 2], strides=[2, 2]))
            x = f"pool_{name}"
        if name == "conv5_3":
            nodes.append(helper.make_node("Flatten", [x], ["flat"]))
            x = "flat"
    graph = helper.make_graph(nodes, "vgg16", [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 224, 224])],
                              [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, 1000])], initializers)
    onnx.save(helper.make_model(graph), path)


def write_mat(path):
    import scipy.io
    one, cells = np.ones((1, 2)), []

    def cell(values):
        array = np.empty((1, len(values)), object)
        array[0, :] = values
        return array

    for name, _, weight, bias in layers():
        is_dense, size = weight.ndim == 2, 7 if name == "fc6" else 1
        weight = weight.reshape(len(weight), -1, size, size) if is_dense else weight
        cells.append({"name": name, "type": "conv", "weights": cell([weight.transpose(2, 3, 1, 0), bias[None]]),
                      "stride": one, "pad": np.full((1, 4), 0. if is_dense else 1.)})
        if name != "fc8":
            cells.append({"name": f"relu_{name}", "type": "relu"})
        if name in BLOCK_ENDS:
            cells.append({"name": f"pool_{name}", "type": "pool", "method": "max", "pool": 2 * one, "stride": 2 * one,
                          "pad": np.zeros((1, 4))})
    meta = {"normalization": {"imageSize": np.array([[224., 224., 3.]])}}
    with open(path, "wb") as file:
        scipy.io.savemat(file, {"layers": cell(cells), "meta": meta}, do_compression=True)


def write_checkpoint(path):
    import tensorflow as tf
    names, tensors = [], []
    for name, _, weight, bias in layers():
        scope = f"vgg_16/{name}" if weight.ndim == 2 else f"vgg_16/{name[:5]}/{name}"
        if name == "fc6":
            weight = weight.reshape(4096, 512, 7, 7).transpose(2, 3, 1, 0)
        elif weight.ndim == 2:
            weight = weight.T[None, None]
        else:
            weight = tensorflow(weight)
        names += [f"{scope}/weights", f"{scope}/biases"]
        tensors += [tf.constant(np.ascontiguousarray(weight)), tf.constant(bias)]
    tf.raw_ops.SaveV2(prefix=path, tensor_names=names, shape_and_slices=[""] * len(names), tensors=tensors)


def module():
    import tensorflow as tf

    class Vgg(tf.Module):
        def __init__(self):
            self.layers = [(name, tf.Variable(np.ascontiguousarray(tensorflow(weight)), name=f"{name}/kernel"),
                            tf.Variable(bias, name=f"{name}/bias")) for name, _, weight, bias in layers()]
            self.variables_of_layers = [variable for _, *variables in self.layers for variable in variables]

        @tf.function(input_signature=[tf.TensorSpec((None, 224, 224, 3), tf.uint8)])
        def __call__(self, images):
            x = tf.cast(images, tf.float32) / 127.5 - 1
            for name, weight, bias in self.layers:
                if name == "fc6":
                    x = tf.reshape(x, [-1, 25088])
                x = tf.nn.conv2d(x, weight, 1, "SAME") + bias if len(weight.shape) == 4 else tf.matmul(x, weight) + bias
                x = x if name == "fc8" else tf.nn.relu(x)
                if name in BLOCK_ENDS:
                    x = tf.nn.max_pool2d(x, 2, 2, "VALID")
            return x
    return Vgg()


def write_savedmodel(path):
    import tensorflow as tf
    tf.saved_model.save(module(), path)


def write_frozen(path):
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
    model = module()
    frozen = convert_variables_to_constants_v2(model.__call__.get_concrete_function())
    with open(path, "wb") as file:
        file.write(frozen.graph.as_graph_def().SerializeToString())


WRITERS = {"safetensors": write_safetensors, "pytorch": write_pytorch, "legacy": lambda path: write_pytorch(path, False),
           "keras": write_keras, "npz": write_npz, "npy": write_npy, "caffe": write_caffe, "onnx": write_onnx,
           "mat": write_mat, "checkpoint": write_checkpoint, "savedmodel": write_savedmodel, "frozen": write_frozen}

if __name__ == "__main__":
    WRITERS[sys.argv[1]](sys.argv[2])
