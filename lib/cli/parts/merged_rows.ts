/** Results of all parts as one file, written part by part. */

import { visibleJson } from "../../report/visible.ts";
import { tableText } from "../results.ts";
import type { Settings } from "../settings.ts";
import type { Row } from "./check_results.ts";

/** A form of all results. What it gives is used until it is asked for more. */
export interface Merged {
  /** What comes before all rows, if anything does by itself. */
  readonly begin?: Uint8Array;
  add(rows: readonly Row[]): Uint8Array;
  /** What comes after them, likewise. */
  end?(): Uint8Array;
}

/** Forms, by the endings of their files. */
export const MERGED_FORMATS = {
  jsonl: (settings: Settings): Promise<Merged> => Promise.resolve(inLines(settings)),
  csv: (): Promise<Merged> => Promise.resolve(inColumns("csv")),
  tsv: (): Promise<Merged> => Promise.resolve(inColumns("tsv")),
  parquet: async (settings: Settings): Promise<Merged> => {
    const { predictionsParquet } = await import("../../output/predictions_parquet.ts");
    return predictionsParquet(settings);
  },
};

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function inLines(settings: Settings): Merged {
  return {
    begin: encode(visibleJson(settings) + "\n"),
    add: (rows) => encode(rows.map((row) => visibleJson(row) + "\n").join("")),
  };
}

/** As `classify --csv` has them: the best label of each picture. */
function inColumns(format: "csv" | "tsv"): Merged {
  return {
    begin: encode(tableText([["id", "label", "score", "error"]], format)),
    add: (rows) =>
      encode(
        tableText(rows.map((row) => [row.id, ...bestOf(row), row.error?.message ?? ""]), format),
      ),
  };
}

function bestOf({ predictions }: Row): [label: string, score: number | ""] {
  const [best] = predictions as readonly { label: string; score: number }[] ?? [];
  return best === undefined ? ["", ""] : [best.label, best.score];
}
