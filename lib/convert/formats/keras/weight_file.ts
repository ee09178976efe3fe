/**
 * Where the weights of a model are in an HDF5 file: in groups by the names of its layers (Keras 1 and 2), by
 * the kinds and the order of its layers (Keras 3), or numbered (before Keras 1).
 */

import type { Hdf5Contents, Hdf5Dataset } from "../hdf5/hdf5_library.ts";
import type { CheckpointTensor } from "../checkpoint.ts";
import type { KerasLayer, KerasModel } from "./description.ts";
import {
  assignWeights,
  type LayerWeights,
  type NamedWeight,
  placesIn,
  type Role,
  rolesOf,
  splitWeightName,
} from "./weights.ts";

/** The weights in a file, as far as a description is needed to tell what they are, and without one. */
export interface WeightFile {
  /** The weights of each layer of a model. */
  assign(model: KerasModel): ReadonlyMap<KerasLayer, LayerWeights>;
  /** All of them, named by their layers: `block1_conv1.kernel`. */
  readonly tensors: readonly CheckpointTensor[];
  readonly order: "declared" | "none";
  /** All layers that the file names, in that order. */
  readonly layerNames?: readonly string[];
  /** A layer with weights that nobody knows without a description. */
  readonly unknown?: string | undefined;
  /** Whether layers have numbers instead of names, as before Keras 1. */
  readonly isNumbered?: boolean;
}

/** Makes a tensor of a dataset. */
export type MakeTensor = (dataset: Hdf5Dataset, name: string) => CheckpointTensor;

/** Finds the weights in a file; `undefined` if there are none of Keras'. */
export function findWeights(contents: Hdf5Contents, make: MakeTensor): WeightFile | undefined {
  const root = contents.groups.includes("/model_weights") ? "/model_weights" : "";
  const names = textsOf(contents, root, "layer_names");
  const found = names !== undefined
    ? byLayer(contents, root, names, make)
    : contents.datasets.some(({ path }) => /\/vars\/\d+$/.test(path))
    ? byKind(contents, make)
    : numbered(contents, make) ?? byLayer(contents, root, undefined, make);
  return found.tensors.length === 0 ? undefined : found;
}

/** A list of texts, which Keras splits into `layer_names0`, `layer_names1` … where it is long. */
function textsOf({ texts }: Hdf5Contents, path: string, name: string): string[] | undefined {
  const all = texts.get(path || "/") ?? {};
  const parts = Object.hasOwn(all, name) ? [all[name]!] : Object.keys(all)
    .filter((key) => key.replace(/\d+$/, "") === name)
    .toSorted((a, b) => Number(a.slice(name.length)) - Number(b.slice(name.length)))
    .map((key) => all[key]!);
  return parts.length === 0 ? undefined : parts.flat();
}

/** A weight in the group of a layer. */
type GroupWeight = NamedWeight & { readonly layer: string; readonly role: Role };

/**
 * A group for each layer. A model within the model is one layer, and all its weights are in its group.
 *
 * @param names Of the layers in order; `undefined` if the file does not list them.
 */
function byLayer(
  contents: Hdf5Contents,
  root: string,
  names: readonly string[] | undefined,
  make: MakeTensor,
): WeightFile {
  const datasets = new Map(contents.datasets.map((dataset) => [dataset.path, dataset]));
  const inRoot = contents.groups.filter((path) => path.lastIndexOf("/") === root.length)
    .map((path) => path.slice(root.length + 1));
  const groups = new Map((names ?? inRoot).map((name) => {
    const path = `${root}/${name}`;
    const listed = textsOf(contents, path, "weight_names")
      ?.flatMap((weight) => datasets.get(`${path}/${weight}`) ?? []);
    const inside = listed ??
      contents.datasets.filter((dataset) => dataset.path.startsWith(`${path}/`));
    return [
      name,
      weightsOf(
        name,
        inside.map((dataset) => [dataset, dataset.path.slice(path.length + 1)]),
        make,
      ),
    ];
  }));
  const all = [...groups.values()];
  return {
    assign: (model) =>
      new Map(model.layers.flatMap((layer) => {
        const places = placesIn({ layers: [layer], inputs: [], outputs: [] });
        return [...assignWeights(places, groups.get(layer.name) ?? [], true)];
      })),
    tensors: all.flat().map(({ tensor }) => tensor),
    order: names !== undefined && all.every(isInOrder) ? "declared" : "none",
    ...names !== undefined && {
      layerNames: [...groups].flatMap(([name, weights]) =>
        weights.length === 0 ? [name] : [...new Set(weights.map(({ layer }) => layer))]
      ),
    },
  };
}

/** The weights in a group: of the layer that it is called after, or of several, whose names they have. */
function weightsOf(
  group: string,
  datasets: readonly (readonly [dataset: Hdf5Dataset, name: string])[],
  make: MakeTensor,
): GroupWeight[] {
  const known = datasets.flatMap(([dataset, name]) => {
    const split = splitWeightName(name);
    return split === undefined ? [] : [{ dataset, name, ...split }];
  });
  const isOne = new Set(known.map(({ layer }) => layer)).size === 1;
  return known.map(({ dataset, name, layer: own, role }) => {
    const layer = isOne ? group : own;
    return { name, layer, role, tensor: make(dataset, `${layer}.${role}`) };
  });
}

const NAMES = new Intl.Collator("en", { numeric: true });

/** Trainable layers of a model within the model lie before frozen ones: numbers in their names tell. */
function isInOrder(weights: readonly GroupWeight[]): boolean {
  const kernels = weights.filter(({ role }) => role === "kernel");
  const kinds = Map.groupBy(kernels, ({ tensor }) => tensor.shape.length);
  return [...kinds.values()].every((kind) =>
    kind.every(({ layer }, index) =>
      index === 0 || NAMES.compare(kind[index - 1]!.layer, layer) < 0
    )
  );
}

/** Where Keras 3 has the layers of a model; Keras 2.12 called it otherwise. */
const CONTAINERS = ["layers", "_layer_checkpoint_dependencies"];

/** `layers/conv2d_3/vars/0`: the kernel of the fourth Conv2D, whatever its name. */
function byKind(contents: Hdf5Contents, make: MakeTensor): WeightFile {
  const datasets = new Map(contents.datasets.map((dataset) => [dataset.path, dataset]));
  const children = Map.groupBy(contents.groups, (path) => path.slice(0, path.lastIndexOf("/")));
  const walk = (model: KerasModel, path: string): [KerasLayer, LayerWeights][] => {
    const container = CONTAINERS.map((name) => `${path}/${name}`)
      .find((group) => children.has(group));
    const groups = container === undefined ? [] : children.get(container)!;
    const kinds = Map.groupBy(model.layers, ({ className }) => snakeCase(className));
    return [...kinds].flatMap(([kind, layers]) => {
      const own = groups.filter((group) => kindOf(group) === kind).toSorted(NAMES.compare);
      return layers.flatMap((layer, index): [KerasLayer, LayerWeights][] => {
        // Keras 2.12 numbers conv2d, conv2d_2, conv2d_4: only their order counts.
        const numbered = `${container}/${index === 0 ? kind : `${kind}_${index}`}`;
        const group = own.length === layers.length ? own[index]! : numbered;
        if (layer.model !== undefined) return walk(layer.model, group);
        const weights = rolesOf(layer).flatMap((role, index) => {
          const dataset = datasets.get(`${group}/vars/${index}`);
          return dataset === undefined ? [] : [[role, make(dataset, `${layer.name}.${role}`)]];
        });
        return [[layer, Object.fromEntries(weights)]];
      });
    });
  };
  const layers = contents.groups.filter((path) => !BESIDE.test(path)).map((path) => {
    const weights: Hdf5Dataset[] = [];
    for (let index = 0; datasets.has(`${path}/vars/${index}`); index++) {
      const dataset = datasets.get(`${path}/vars/${index}`)!;
      if (dataset.shape.length > 0) weights.push(dataset); // Counters have no axes.
    }
    return { name: shortName(path), weights, roles: likelyRoles(kindOf(path), weights) };
  }).toSorted((a, b) => NAMES.compare(a.name, b.name));
  return {
    assign: (model) => new Map(walk(model, "")),
    tensors: layers.flatMap(({ name, weights, roles }) =>
      roles.map((role, index) => make(weights[index]!, `${name}.${role}`))
    ),
    unknown: layers.find(({ weights, roles }) => roles.length < weights.length)?.name,
    order: "none",
    layerNames: layers.map(({ name }) => name),
  };
}

/** What is no layer: the numbers themselves, and what training and chance leave. */
const BESIDE = /\/(vars|seed_generator)$|^\/(vars|optimizer|metrics)(\/|$)/;

/**
 * What the weights of a kind of layer are, where no description says it. Of a batch normalization with three
 * the first may be gamma or beta.
 */
function likelyRoles(kind: string, weights: readonly Hdf5Dataset[]): readonly Role[] {
  const [first] = weights;
  const isKernel = first?.kind === "float" && first.shape.length > 1;
  const roles: readonly Role[] = kind !== "batch_normalization"
    ? kind === "normalization" ? ["mean", "variance"] : isKernel ? ["kernel", "bias"] : []
    : weights.length === 4
    ? ["gamma", "beta", "moving_mean", "moving_variance"]
    : weights.length === 2
    ? ["moving_mean", "moving_variance"]
    : [];
  return roles.slice(0, weights.length);
}

/** `/layers/functional/layers/conv2d_1` is `functional/conv2d_1`. */
function shortName(path: string): string {
  return path.slice(1).split("/").filter((part) => !CONTAINERS.includes(part)).join("/");
}

/** `/layers/conv2d_1` is a `conv2d`. */
function kindOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/_\d+$/, "");
}

/** As Keras makes names of classes. */
function snakeCase(className: string): string {
  return className.replace(/^.*>/, "").replaceAll(/\W+/g, "")
    .replaceAll(/(.)([A-Z][a-z]+)/g, "$1_$2").replaceAll(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase();
}

/** `layer_12/param_0`, as Keras wrote before it named layers. */
function numbered(contents: Hdf5Contents, make: MakeTensor): WeightFile | undefined {
  const places = contents.datasets.flatMap((dataset) => {
    const [, layer, param] = /^\/layer_(\d+)\/param_([01])$/.exec(dataset.path) ?? [];
    return layer === undefined ? [] : [{ dataset, layer: Number(layer), param: Number(param) }];
  }).toSorted((a, b) => a.layer - b.layer || a.param - b.param);
  if (places.length === 0) return undefined;
  return {
    assign: () => new Map(),
    tensors: places.map(({ dataset, layer, param }) =>
      make(dataset, `layer_${layer}.${param === 0 ? "kernel" : "bias"}`)
    ),
    order: "declared",
    isNumbered: true,
  };
}
