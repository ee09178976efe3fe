import type { Context } from "./context.ts";
import { json } from "./respond.ts";

/** `GET /openapi.json`. */
export async function openApiRoute(_context: Context): Promise<Response> {
  return await json({});
}
