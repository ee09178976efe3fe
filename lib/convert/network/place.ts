/** Where a walk through a network is: the axes and the size of the value that the next node gets. */

import type { Layout, Operator, Pair } from "../formats/graph.ts";
import { sizeOf } from "../formats/tensor.ts";
import type { ValueShape } from "./constants.ts";

/** Max-pools of a VGG. */
export const POOLS = 5;

/** A value's place. What is asked of it is answered with what is wrong, in words, or with nothing. */
export class Place {
  layout: Layout | "flat" | undefined;
  /** Of the image, once the file, the user or a layer behind the last pool has told. */
  input: { readonly height: number; readonly width: number } | undefined;
  /** Whether the last map told it, which other sizes have as well. */
  isInputInferred = false;
  /** Channels, or after flattening all inputs of a dense layer; `undefined` before the first convolution. */
  channels: number | undefined;
  pools = 0;
  /** The order in which the last map was flattened. */
  flattened: "CHW" | "HWC" | undefined;
  pooling: "flatten" | "average" = "flatten";
  /** What an adaptive average makes of the last map. */
  adaptive: Pair | undefined;
  /** Whether dense layers have begun. */
  isDense = false;

  /** The size of the map behind the pools so far; `undefined` until the input's is known. */
  get map(): Pair | undefined {
    const { input, pools } = this;
    return input && [input.height >> pools, input.width >> pools];
  }

  /** The map as the next node gets it. */
  seen(): Pair | undefined {
    return this.isDense || this.pooling === "average" ? [1, 1] : this.adaptive ?? this.map;
  }

  /** Whether there is one position. */
  isPoint(): boolean {
    return sizeOf(this.seen() ?? [0, 0]) === 1;
  }

  shape(): ValueShape {
    return { layout: this.layout, isPoint: this.isPoint() };
  }

  /** Takes what the file says of the image, or what was asked for. */
  begin(
    { layout, height, width, channels }: Operator & { kind: "input" },
    asked: number | undefined,
  ): string {
    this.layout = layout;
    if (channels !== undefined && channels !== 1 && channels !== 3) {
      return `has ${channels} channels: expected 1 or 3`;
    }
    if (height !== undefined && width !== undefined) {
      this.input = { height, width };
      const isOther = asked !== undefined && (asked !== height || asked !== width);
      return isOther
        ? `has ${height}x${width} pixels, as the file says: ${asked} was asked for`
        : "";
    }
    if (asked !== undefined) this.input = { height: asked, width: asked };
    return "";
  }

  /** Takes the input's size from that of the last map, if nothing has told it before. */
  tellMap([height, width]: Pair): void {
    if (this.input !== undefined) return;
    this.input = { height: height << POOLS, width: width << POOLS };
    this.isInputInferred = true;
  }

  flatten(order: Layout | undefined, channels: number): void {
    if (this.flattened === undefined && !this.isDense) {
      this.flattened = (order ?? this.layout) === "NHWC" ? "HWC" : "CHW";
      const map = this.seen();
      this.channels = map && channels * sizeOf(map);
    }
    this.layout = "flat";
  }

  /** A node that means a map has its own order of axes. */
  problemOfLayout(layout: Layout): string {
    this.layout ??= layout;
    if (this.layout === layout || (this.layout === "flat" && this.isDense)) return "";
    return `takes a map in the order ${layout}: it comes as ${this.layout}`;
  }

  transpose(order: readonly number[]): string {
    const turned = String(order);
    if (order.every((axis, index) => axis === index)) return "";
    if ((this.layout ?? "NCHW") === "NCHW" && turned === "0,2,3,1") this.layout = "NHWC";
    else if ((this.layout ?? "NHWC") === "NHWC" && turned === "0,3,1,2") this.layout = "NCHW";
    else return `changes the order of axes to ${order.join(", ")}`;
    return "";
  }

  /** A node that needs all pools before it. */
  problemOfPools(): string {
    return this.pools < POOLS
      ? `stands behind ${this.pools} of the ${POOLS} max pools of a VGG`
      : "";
  }

  /** A node that needs the last map as it is. */
  problemOfLastMap(): string {
    const isGone = this.flattened !== undefined || this.isDense || this.adaptive !== undefined ||
      this.pooling === "average";
    return this.problemOfPools() || (isGone ? "has no map before it: expected pool5" : "");
  }
}
