"""Labels of all pictures below a path or a store's address, by a cluster of Ray, as Parquet.

    ray job submit --working-dir deploy -- python ray_job.py s3://bucket/pictures s3://bucket/labels

Each node has Deno, `vgg16` or what the variable VGG16_COMMAND says, and, by `pip install
./integrations/python`, vgg16_worker. An actor is a process on one core. What a lost node was at is done
again by others. A picture that cannot be read is a row with its error.
"""

import argparse

import ray
from vgg16_worker import RayWorker, Worker

PICTURES = ["jpg", "jpeg", "png", "gif", "webp", "avif", "tif", "tiff", "bmp"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", help="a folder, or the address of one in a store")
    parser.add_argument("labels", help="where Parquet is written")
    parser.add_argument("--model", help="id of the catalog, path or URL")
    arguments = parser.parse_args()

    ray.init()
    cores = int(ray.cluster_resources()["CPU"])
    pictures = ray.data.read_binary_files(
        arguments.pictures,
        include_paths=True,
        file_extensions=PICTURES,
        # It waits for the store, and needs next to nothing of a core.
        num_cpus=0.1,
    )
    labels = pictures.map_batches(
        RayWorker,
        fn_constructor_kwargs={"worker": Worker(arguments.model, threads=1), "all_labels": True},
        batch_size=64,
        batch_format="pyarrow",
        num_cpus=1,
        # The last core is for what reads and writes.
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, cores - 1)),
    )
    labels.write_parquet(arguments.labels, ray_remote_args={"num_cpus": 0.1})


if __name__ == "__main__":
    main()
