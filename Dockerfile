# One small image for each program:
#   docker build --target loan-request -t loan-request .
# or all of them with `docker compose build`. The images hold the program, the few libraries that
# it is linked with, and the certificates of the usual authorities: no shell, nothing to install.
#
# BUILD_IMAGE: Debian or what is made of it, with Rust, a C compiler and OpenSSL's headers.
# RUN_IMAGE:   what the images stand on, if its folders are laid as BUILD_IMAGE's; `scratch` is nothing.
ARG BUILD_IMAGE=rust:1.95-bookworm
ARG RUN_IMAGE=scratch

FROM ${BUILD_IMAGE} AS build
# The list of what an image is made of is drawn up here too: the last stages hold the records of their libraries alone.
ARG BUILDKIT_SBOM_SCAN_STAGE=true
WORKDIR /src
COPY . .
# With TLS and SCRAM to Kafka, which a single machine does without; without the lines for a debugger,
# which `docker/collect` would throw away again.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    CARGO_PROFILE_RELEASE_DEBUG=false cargo build --locked --release --features common/kafka-tls \
        -p loan-request -p loan-auth -p loan-manager -p loan-messenger -p loan-status \
        -p gateway -p loanctl \
    && docker/collect target/release /out

FROM ${RUN_IMAGE} AS run
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.revision=${REVISION} \
      org.opencontainers.image.licenses=Apache-2.0
COPY --from=build /out/base/ /
ENV HTTP_ADDR=0.0.0.0:8080 ADMIN_ADDR=0.0.0.0:9090
EXPOSE 8080 9090
USER 65532:65532

FROM run AS loan-request
LABEL org.opencontainers.image.title=loan-request
COPY --from=build /out/loan-request/ /
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s CMD ["/usr/bin/loan-request", "--check-health"]
ENTRYPOINT ["/usr/bin/loan-request"]

FROM run AS loan-auth
LABEL org.opencontainers.image.title=loan-auth
COPY --from=build /out/loan-auth/ /
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s CMD ["/usr/bin/loan-auth", "--check-health"]
ENTRYPOINT ["/usr/bin/loan-auth"]

FROM run AS loan-manager
LABEL org.opencontainers.image.title=loan-manager
COPY --from=build /out/loan-manager/ /
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s CMD ["/usr/bin/loan-manager", "--check-health"]
ENTRYPOINT ["/usr/bin/loan-manager"]

FROM run AS loan-messenger
LABEL org.opencontainers.image.title=loan-messenger
COPY --from=build /out/loan-messenger/ /
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s CMD ["/usr/bin/loan-messenger", "--check-health"]
ENTRYPOINT ["/usr/bin/loan-messenger"]

FROM run AS loan-status
LABEL org.opencontainers.image.title=loan-status
COPY --from=build /out/loan-status/ /
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s CMD ["/usr/bin/loan-status", "--check-health"]
ENTRYPOINT ["/usr/bin/loan-status"]

FROM run AS gateway
LABEL org.opencontainers.image.title=gateway
COPY --from=build /out/gateway/ /
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s CMD ["/usr/bin/gateway", "--check-health"]
ENTRYPOINT ["/usr/bin/gateway"]

FROM run AS loanctl
LABEL org.opencontainers.image.title=loanctl
COPY --from=build /out/loanctl/ /
ENTRYPOINT ["/usr/bin/loanctl"]
