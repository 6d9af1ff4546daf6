// Package sqloracle holds package parser against the parsers of others: what
// PostgreSQL's own grammar makes of a statement, it makes of our printing of it
// too; what a MySQL parser reads and prints means the same tree to us. It is a
// module of its own because PostgreSQL's parser needs cgo. Everything is in its
// tests.
package sqloracle
