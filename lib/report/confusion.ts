/** Which class is taken for which. */

import { htmlTable, htmlText } from "./html.ts";

/** Classes up to which all numbers are shown. */
const MAX_NUMBERED = 30;
/** Pairs of classes that are named where there are more. */
const MAX_PAIRS = 40;

/**
 * A confusion matrix: with its numbers, or the pairs of classes that are most often confused where there are
 * more than 30.
 *
 * @param confusion How many pictures of class i were taken for class j.
 */
export function confusionSection(
  confusion: readonly (readonly number[])[],
  labels: readonly string[],
): string {
  return labels.length > MAX_NUMBERED ? pairs(confusion, labels) : matrix(confusion, labels);
}

function pairs(
  confusion: readonly (readonly number[])[],
  labels: readonly string[],
): string {
  const found = confusion.flatMap((row, is) => {
    const all = sum(row);
    return row.flatMap((count, taken) =>
      count > 0 && taken !== is ? [{ is, taken, count, all }] : []
    );
  }).sort((a, b) => b.count - a.count || a.is - b.is || a.taken - b.taken);
  if (found.length === 0) return "<p>No class was taken for another.</p>";
  const rows = found.slice(0, MAX_PAIRS).map(({ is, taken, count, all }) => [
    ...[labels[is]!, labels[taken]!, `${count} of ${all}`],
  ]);
  const note = found.length > rows.length
    ? `<p>The ${rows.length} most frequent of ${found.length} pairs of classes.</p>`
    : "";
  return note + htmlTable([["is", "taken for", "pictures"], ...rows]);
}

function matrix(
  confusion: readonly (readonly number[])[],
  labels: readonly string[],
): string {
  const columns = labels.map((label) =>
    `<th scope="col" title="${htmlText(label)}"><span>${htmlText(label)}</span></th>`
  );
  const lines = confusion.map((row, is) => {
    const all = sum(row), name = htmlText(labels[is]!);
    const cells = row.map((count, taken) => {
      const color = is === taken ? RIGHT : WRONG;
      const style = count === 0 ? "" : ` style="background: rgb(${color} / ${shade(count / all)})"`;
      const what = `${all} of ${labels[is]!}, ${count} taken for ${labels[taken]!}`;
      return `<td${count === 0 ? ' class="none"' : style} title="${htmlText(what)}">${count}</td>`;
    });
    return `<tr><th scope="row" title="${name}"><span>${name}</span></th>${cells.join("")}</tr>`;
  });
  return `<p>A row is what pictures are, a column what they were taken for: what is right is on the diagonal, in
blue. The darker, the larger the part of its row.</p>
<div class="scroll"><table class="confusion">
<thead><tr><td>is ↓</td><th colspan="${labels.length}">taken for →</th></tr>
<tr><td></td>${columns.join("")}</tr></thead>
<tbody>${lines.join("\n")}</tbody>
</table></div>`;
}

/** Blue and orange, which people with color blindness can tell apart (Okabe and Ito, 2008). */
const RIGHT = "0 114 178", WRONG = "213 94 0";

/** How strong a color is for a part of 1: black on it stays readable. */
const shade = (part: number): string => (0.1 + 0.5 * part).toFixed(2);

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** CSS of a confusion matrix. */
export const CONFUSION_STYLE = `
.confusion { font-size: 0.85em }
.confusion td, .confusion th { padding: 0.15em 0.25em; border: 1px solid #eee; text-align: center; font-weight: normal }
.confusion tbody td { min-width: 1.5em }
.confusion tbody th { text-align: right; position: sticky; left: 0; background: #fff }
.confusion tbody th span { display: block; max-width: 11em; overflow: hidden; text-overflow: ellipsis }
.confusion thead th { vertical-align: bottom }
.confusion thead th span { writing-mode: sideways-lr; max-height: 9em; overflow: hidden; text-overflow: ellipsis }
.confusion .none { color: #bbb }`;
