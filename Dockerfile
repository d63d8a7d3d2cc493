# Built in one stage, run in another: the image has no build tools, no checkout and no package cache.
FROM python:3.13-slim AS build

WORKDIR /src
COPY requirements/ requirements/
RUN python -m venv /opt/midca \
    && /opt/midca/bin/pip install --no-cache-dir --require-hashes --requirement requirements/extras.txt \
    && python -m pip install --no-cache-dir --require-hashes --requirement requirements/build.txt

COPY pyproject.toml README.md LICENSE ./
COPY app/ app/
COPY migrations/ migrations/
COPY profiles/ profiles/
RUN python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /tmp/wheel . \
    && /opt/midca/bin/pip install --no-cache-dir --no-deps --no-index /tmp/wheel/*.whl


FROM python:3.13-slim

RUN groupadd --system --gid 10001 midca \
    && useradd --system --uid 10001 --gid midca --no-create-home --home-dir /var/lib/midca --shell /usr/sbin/nologin midca \
    && install --directory --owner midca --group midca --mode 0700 /var/lib/midca

COPY --from=build /opt/midca /opt/midca

ENV PATH=/opt/midca/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MIDCA_DATA=/var/lib/midca

# As a number, so that an orchestrator can see that it is not root.
USER 10001:10001
WORKDIR /var/lib/midca
# The CA's keys and its database: whoever loses this volume loses the CA.
VOLUME /var/lib/midca
EXPOSE 5583

HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, ssl, urllib.request as u; s = 's' * ('MIDCA_TLS_CERTIFICATE' in os.environ); u.urlopen(f'http{s}://127.0.0.1:5583/health', timeout=4, context=ssl._create_unverified_context())"]

ENTRYPOINT ["midca"]
CMD ["serve", "--host", "0.0.0.0", "--port", "5583"]
