ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /src
RUN python -m venv --without-pip /app
# The dependencies are a layer of their own: a change of our code does not download them again.
COPY pyproject.toml ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > /requirements.txt \
    && pip --python /app/bin/python install --no-cache-dir --no-compile -r /requirements.txt
COPY README.md LICENSE ./
COPY fixtures fixtures
COPY mock_server mock_server
# Bytecode is made here, since a read-only container cannot keep its own; unchecked, since copying may move file times.
RUN pip --python /app/bin/python install --no-cache-dir --no-compile --no-deps . \
    # What the server never imports: parts of numpy and SQLAlchemy for others, and Typer's colours. A third of its size.
    && cd /app/lib/python3.*/site-packages \
    && rm -rf numpy/random numpy/ma numpy/polynomial numpy/testing numpy/f2py numpy/typing numpy/_core/include \
        sqlalchemy/testing sqlalchemy/dialects/mysql sqlalchemy/dialects/oracle sqlalchemy/dialects/mssql \
        sqlalchemy/dialects/postgresql sqlalchemy/ext/asyncio \
        prometheus_client/aiohttp prometheus_client/django prometheus_client/twisted \
        prometheus_client/bridge prometheus_client/parser.py prometheus_client/openmetrics/parser.py \
        rich* pygments* Pygments* markdown_it* mdurl* \
    && find . \( -type d -name tests -o -name '*.pyi' -o -name '*.a' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' \) \
        -prune -exec rm -rf {} + \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /app/lib

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="telnyx-ai-mock" \
      org.opencontainers.image.description="A local mock server for Telnyx AI" \
      org.opencontainers.image.licenses="MIT"
# /data is for --db and --data on a volume.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin mock \
    && install -d -o mock -g mock /data
COPY --from=build /app /app
# The slim image comes without the standard library's bytecode: one look into every room writes what they import.
RUN env -u PYTHONDONTWRITEBYTECODE /app/bin/python -c "import mock_server.cli.serve, mock_server.cli.look, mock_server.serve, soundfile; from mock_server import create_app; app = create_app(); app.enter_all_rooms(); app.admin(); app.world.store"
ENV PATH=/app/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MOCK_HOST=0.0.0.0 \
    MOCK_PORT=4010
USER 10001:10001
WORKDIR /data
EXPOSE 4010
# Asks under whatever MOCK_PORT says; a port given as an option instead needs a health check of its own.
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['MOCK_PORT'] + '/_mock/health', timeout=2)"]
ENTRYPOINT ["telnyx-ai-mock"]
CMD ["serve"]
