import { assertEquals } from "@std/assert";
import { describeModel } from "../../../lib/convert/repository/describe.ts";

Deno.test("timm's config.json tells mean, deviation, size, filter, labels and license", () => {
  const config = {
    architecture: "vgg16",
    num_classes: 3,
    label_names: ["n01440764", "n01443537", "unknown"],
    label_descriptions: { n01440764: "tench, Tinca tinca", n01443537: "goldfish" },
    pretrained_cfg: {
      input_size: [3, 224, 224],
      interpolation: "bicubic",
      crop_pct: 0.9,
      mean: [0.5, 0.4, 0.3],
      std: [0.2, 0.3, 0.4],
      license: "bsd-3-clause",
    },
  };
  assertEquals(describeModel(config, undefined), {
    images: {
      preprocessing: { scale: 1 / 255, mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4] },
      colors: "rgb",
      resize: { resize: "shorter-side", size: 248, filter: "bicubic" },
      isRead: true,
      because: "config.json",
    },
    labels: ["tench, Tinca tinca", "goldfish", "unknown"],
    inputSize: 224,
    license: "bsd-3-clause",
  });
});

Deno.test("transformers' files tell each step of the preprocessing, and labels by their indices", () => {
  const config = { id2label: { 1: "dog", 0: "cat" } };
  const normalized = { image_mean: [0.5, 0.5, 0.5], image_std: [0.2, 0.2, 0.2], resample: 3 };
  const cropped = {
    ...normalized,
    size: { shortest_edge: 256 },
    do_center_crop: true,
    crop_size: { height: 224, width: 224 },
  };
  const described = describeModel(config, cropped);
  assertEquals(described.labels, ["cat", "dog"]);
  assertEquals(described.inputSize, 224);
  assertEquals(described.images?.resize, {
    resize: "shorter-side",
    size: 256,
    filter: "bicubic",
  });
  assertEquals(described.images?.preprocessing, {
    scale: 1 / 255,
    mean: [0.5, 0.5, 0.5],
    std: [0.2, 0.2, 0.2],
  });
  const direct = describeModel({}, { ...normalized, size: 64, resample: 2, rescale_factor: 1 });
  assertEquals(direct.inputSize, 64);
  assertEquals(direct.images?.resize, { resize: "direct", filter: "bilinear" });
  assertEquals(direct.images?.preprocessing, {
    scale: 1,
    mean: [0.5, 0.5, 0.5],
    std: [0.2, 0.2, 0.2],
  });
  const plain = describeModel({}, { do_normalize: false, do_rescale: false, do_resize: false });
  assertEquals(plain.images?.preprocessing, { scale: 1, mean: [0], std: [1] });
});

Deno.test("what is not as expected says nothing", () => {
  const nothing = {
    images: undefined,
    labels: undefined,
    inputSize: undefined,
    license: undefined,
  };
  for (
    const [config, preprocessor] of [
      [undefined, undefined],
      [[], "text"],
      [{ id2label: { 0: "LABEL_0", 1: "LABEL_1" } }, undefined],
      [{ id2label: { 0: "cat", 7: "dog" } }, undefined],
      [{ label_names: [1, 2], mean: [0.5], std: ["1"], input_size: [3, 224, 200] }, undefined],
      [{ pretrained_cfg: { mean: [0, 0, 0], std: [1, 1] } }, { image_mean: [1, 2] }],
    ]
  ) {
    assertEquals(describeModel(config, preprocessor), nothing);
  }
});
