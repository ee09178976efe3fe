"""Labels of all pictures below a path or a store's address, by Spark, as Parquet.

    spark-submit --master yarn --num-executors 16 --executor-cores 4 --executor-memory 4g \\
      --py-files integrations/python/vgg16_worker.py \\
      --conf spark.executor.memoryOverhead=4g \\
      --conf spark.sql.execution.arrow.maxRecordsPerBatch=200 \\
      --conf spark.sql.files.maxPartitionBytes=256m \\
      deploy/spark_job.py s3a://bucket/pictures s3a://bucket/labels

Each machine has Deno, and `vgg16` or what `spark.executorEnv.VGG16_COMMAND` says. A task is a process on one
core, which takes 250 MB beside Spark's own memory. A task that is lost, or speculated, is done again, and
written once. A picture that cannot be read is a row with its error.
"""

import argparse

from pyspark.sql import SparkSession
from vgg16_worker import SPARK_LABELS, Worker, map_in_arrow

PICTURES = "*.{jpg,jpeg,png,gif,webp,avif,tif,tiff,bmp,JPG,JPEG,PNG}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", help="a folder, or the address of one in a store")
    parser.add_argument("labels", help="where Parquet is written")
    parser.add_argument("--model", help="id of the catalog, path or URL")
    arguments = parser.parse_args()

    spark = SparkSession.builder.appName("vgg16").getOrCreate()
    pictures = (
        spark.read.format("binaryFile")
        .option("pathGlobFilter", PICTURES)
        .option("recursiveFileLookup", "true")
        .load(arguments.pictures)
        .select("path", "content")
    )
    answer = map_in_arrow(Worker(arguments.model, threads=1), "content", ["path"])
    pictures.mapInArrow(answer, f"path string, {SPARK_LABELS}").write.parquet(arguments.labels)
    spark.stop()


if __name__ == "__main__":
    main()
