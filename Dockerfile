# A worker of a study on a PostgreSQL server; docs/how-to/many_workers.md shows how to run it.
#
#   docker build -t llmsearch-optuna .
#   docker run --gpus all -e PGPASSWORD -v "$PWD:/studies" llmsearch-optuna \
#       worker STUDY.toml --storage postgresql+psycopg://USER@HOST/DATABASE
FROM python:3.11-slim

WORKDIR /package
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY llmsearch_optuna llmsearch_optuna
RUN pip install --no-cache-dir -c constraints.txt '.[postgresql]' && rm -rf /package

RUN useradd --create-home worker
USER worker
WORKDIR /studies
ENTRYPOINT ["llmsearch-optuna"]
CMD ["--help"]
