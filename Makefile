# Targets that a contributor needs; each is what CI runs too.
.PHONY: check test race golden bench fuzz build

build:
	CGO_ENABLED=0 go build -o weir ./cmd/weir

check:
	test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	go test ./internal/archtest

test:
	go test ./...

race:
	go test -race -short ./wire/... ./session/... ./events/... ./engine ./engine/opmsg/... ./gateway/...

# Rewrites every golden file; read the diff like code.
golden:
	for p in $$(grep -rl cockroachdb/datadriven --include='*_test.go' . | xargs -n1 dirname | sort -u); do go test $$p -args -rewrite || exit 1; done

bench:
	go test -run '^$$' -bench . -benchmem ./...

fuzz:
	bash .ci/fuzz 20s
