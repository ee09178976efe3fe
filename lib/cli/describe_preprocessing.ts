/** What is done to an image before the first layer, in one line. */

import type { Preprocessing } from "../model/model.ts";

/** Such as `shorter side to 256, RGB, (p / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]`. */
export function describePreprocessing(preprocessing: Preprocessing): string {
  const { resize, size, grayscale, standardize, whitening, scale, mean, std } = preprocessing;
  const parts = [
    resize === "direct" ? "resized at once" : `shorter side to ${size}`,
    ...grayscale ? ["without colors"] : [],
    ...standardize === undefined ? [] : ["each standardized"],
    ...whitening === undefined ? [] : ["whitened"],
    `${mean.length === 1 ? "grey" : "RGB"}, ${formula(scale, mean, std)}`,
  ];
  return parts.join(", ");
}

/** Of a byte `p`. */
function formula(scale: number, mean: readonly number[], std: readonly number[]): string {
  const scaled = scale === 1 ? "p" : scale < 1 ? `p / ${short(1 / scale)}` : `p * ${short(scale)}`;
  const isZero = mean.every((value) => value === 0), isOne = std.every((value) => value === 1);
  const shifted = isZero ? scaled : `${scaled} - ${list(mean)}`;
  if (isOne) return shifted;
  return `${isZero && scale === 1 ? "p" : `(${shifted})`} / ${list(std)}`;
}

function list(values: readonly number[]): string {
  return new Set(values).size === 1 ? short(values[0]!) : `[${values.map(short).join(", ")}]`;
}

function short(value: number): string {
  return String(Number(value.toPrecision(6)));
}
