// Made by writeModules() of @edge/vgg16/worker. Do not edit.

import type { PackagedFile, WorkerModules } from "@edge/vgg16/worker";

/** What `provideModules()` takes. */
export declare const modules: WorkerModules;
/** What `{ model }` takes. */
export declare const model: PackagedFile;
