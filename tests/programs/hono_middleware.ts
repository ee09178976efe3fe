/** A middleware of Hono's, which says what is in the picture that came in the body. */

import { type Context, Hono, type Next } from "npm:hono@4.13.19";
import { classify, isVggError, type Prediction } from "@edge/vgg16";

type Labeled = { Variables: { best: Prediction } };

async function labeled(c: Context<Labeled>, next: Next): Promise<Response | void> {
  try {
    const [best] = await classify(await c.req.arrayBuffer(), { maxBytes: 5_000_000 });
    c.set("best", best);
  } catch (error) {
    if (isVggError(error)) return c.json({ error: error.code }, error.retryable ? 503 : 422);
    throw error;
  }
  await next();
}

export const app = new Hono<Labeled>().post("/label", labeled, (c) => c.json(c.get("best")));
