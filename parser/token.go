package parser

import "weir/sqlerr"

type tokenKind uint8

const (
	tokenEOF     tokenKind = iota
	tokenWord              // unquoted identifier or keyword
	tokenQuoted            // "x", U&"x" or `x`
	tokenString            // any string constant, decoded
	tokenBits              // B'…'
	tokenHex               // X'…'
	tokenInteger           // digits only
	tokenNumber            // with point or exponent
	tokenParam             // $1
	tokenOp                // operators and single characters, in text
	tokenError             // what the lexer refused; err says why
)

// token is one lexical element. name is the folded word, the decoded string
// or the operator; raw is the text as written.
type token struct {
	kind       tokenKind
	keyword    keyword
	start, end int // bytes
	pos, stop  int // characters, from 1
	name       string
	raw        string
	err        *sqlerr.Error
}

// is reports whether the token is the unquoted word w.
func (t *token) is(w string) bool { return t.kind == tokenWord && t.name == w }

// op reports whether the token is the operator or punctuation s.
func (t *token) op(s string) bool { return t.kind == tokenOp && t.name == s }

// isColID: column, table and most other names.
func (t *token) isColID() bool {
	return t.kind == tokenQuoted || t.kind == tokenWord && t.keyword.class <= colName
}

// isTypeFunctionName: names of functions and types.
func (t *token) isTypeFunctionName() bool {
	return t.kind == tokenQuoted || t.kind == tokenWord && (t.keyword.class <= unreserved || t.keyword.class == typeFuncName)
}

// isNonReserved: names of roles.
func (t *token) isNonReserved() bool {
	return t.kind == tokenQuoted || t.kind == tokenWord && t.keyword.class != reserved
}

// isLabel: any word, as after AS and after a dot.
func (t *token) isLabel() bool { return t.kind == tokenQuoted || t.kind == tokenWord }

// isBareLabel: a label that needs no AS.
func (t *token) isBareLabel() bool {
	return t.kind == tokenQuoted || t.kind == tokenWord && !t.keyword.needsAs
}
