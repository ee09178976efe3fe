/** Two models as one, served below a path of a server that has others; and the service as it comes. */

import { createService, fuse, loadClassifier, type Service } from "@edge/vgg16";
import plain from "@edge/vgg16/serve";

const models = await Promise.all([loadClassifier(), loadClassifier({ precision: "float" })]);
const logLevel = "off";
export const vision = createService({ classifier: fuse(models), basePath: "/vision", logLevel });
const services: Record<string, Service> = { vision, classify: plain };

// A route of Next.js gets its parameters beside the request, and a Worker its environment.
type Route = (request: Request, context: { params: Promise<{ path: string[] }> }) => unknown;
export const POST: Route = vision.fetch;

export function answer(request: Request): Promise<Response> {
  const [, first = ""] = new URL(request.url).pathname.split("/");
  return services[first]?.fetch(request) ?? Promise.resolve(new Response("Hello"));
}
