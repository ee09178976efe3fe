/** Texts from outside in files of CSV, which people open in spreadsheets. */

import { visible } from "../report/visible.ts";

/** What spreadsheets take for the beginning of a formula (OWASP, "CSV Injection"). */
const FORMULA = /^[=+\-@]/;

/** A text that takes one line, and that no spreadsheet computes: what is like a formula has a quote before it. */
export function csvCell(text: string): string {
  return visible(text).replace(FORMULA, "'$&");
}
