// Package archtest holds the rules of the house as tests: who may import whom,
// and what a file must not hold. It parses the files of the module and runs
// nothing. Start with the tables of arch_test.go.
package archtest
