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
	go test -race ./wire/... ./session/... ./events/... ./engine/... ./internal/...

# Rewrites every golden file; read the diff like code.
golden:
	WEIR_GOLDEN=rewrite go test ./parser/... ./planner/... ./translator/... ./engine/... ./sqlfunc/... ./sqltype/... -args -rewrite

bench:
	go test -run '^$$' -bench . -benchmem ./...

fuzz:
	bash .ci/fuzz 20s
