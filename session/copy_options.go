package session

import (
	"strings"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/wire"
)

// copyFormat is what the options of a COPY say.
type copyFormat struct {
	kind         string // text, csv, binary
	delim        byte
	null         string
	header       bool
	match        bool // HEADER MATCH
	quote        byte
	escape       byte
	quoteAll     bool
	quoted       map[string]bool // FORCE_QUOTE
	forceNull    map[string]bool
	forceNotNull map[string]bool
	nullAll      bool
	notNullAll   bool
}

func (f *copyFormat) wire() int16 {
	if f.kind == "binary" {
		return wire.Binary
	}
	return wire.Text
}

// copyOptions reads the options; the defaults depend on the format, which may
// stand anywhere among them.
func copyOptions(stmt *ast.Copy) (*copyFormat, error) {
	f := &copyFormat{kind: "text"}
	seen := map[string]*ast.Option{}
	for _, o := range stmt.Options {
		name := strings.ToLower(o.Name.Name)
		if seen[name] != nil {
			return nil, sqlerr.New(sqlerr.SyntaxError, "conflicting or redundant options").At(o.Pos())
		}
		seen[name] = o
		if name == "format" {
			kind, err := copyText(o)
			if err != nil {
				return nil, err
			}
			switch f.kind = strings.ToLower(kind); f.kind {
			case "text", "csv", "binary":
			default:
				return nil, sqlerr.New(sqlerr.InvalidParameterValue, "COPY format \"%s\" not recognized", kind).At(o.Pos())
			}
		}
	}
	f.delim, f.null = '\t', `\N`
	if f.kind == "csv" {
		f.delim, f.null, f.quote = ',', "", '"'
	}
	for _, o := range stmt.Options {
		if err := f.option(o); err != nil {
			return nil, err
		}
	}
	if f.escape == 0 {
		f.escape = f.quote
	}
	return f, f.check()
}

func (f *copyFormat) option(o *ast.Option) error {
	name := strings.ToLower(o.Name.Name)
	if f.kind == "binary" && (name == "delimiter" || name == "null" || name == "header") {
		return sqlerr.New(sqlerr.SyntaxError, "cannot specify %s in BINARY mode", strings.ToUpper(name)).At(o.Pos())
	}
	switch name {
	case "format":
	case "freeze":
	case "delimiter":
		return copyByte(o, &f.delim)
	case "quote":
		return f.csvByte(o, &f.quote)
	case "escape":
		return f.csvByte(o, &f.escape)
	case "null":
		text, err := copyText(o)
		f.null = text
		return err
	case "header":
		return f.setHeader(o)
	case "encoding":
		text, err := copyText(o)
		if err == nil {
			text, err = checkEncoding(&guc{name: "client_encoding"}, text)
		}
		if err == nil && text != "UTF8" {
			err = sqlerr.Unsupported(o.Pos(), "SET client_encoding converts what COPY reads and writes.", "the encoding option of COPY is supported for UTF8 only")
		}
		return err
	case "force_quote":
		return f.csvColumns(o, &f.quoted, &f.quoteAll)
	case "force_null":
		return f.csvColumns(o, &f.forceNull, &f.nullAll)
	case "force_not_null":
		return f.csvColumns(o, &f.forceNotNull, &f.notNullAll)
	default:
		return sqlerr.New(sqlerr.SyntaxError, "option \"%s\" not recognized", o.Name.Text).At(o.Pos())
	}
	return nil
}

func (f *copyFormat) setHeader(o *ast.Option) error {
	f.header = true
	if o.Value == nil {
		return nil
	}
	text, err := copyText(o)
	if err != nil {
		return err
	}
	if strings.EqualFold(text, "match") {
		f.match = true
		return nil
	}
	on, ok := parseBool(text)
	if !ok {
		return sqlerr.New(sqlerr.SyntaxError, "header requires a Boolean value or \"match\"").At(o.Pos())
	}
	f.header = on
	return nil
}

func copyText(o *ast.Option) (string, error) {
	if o.Value == nil {
		return "", sqlerr.New(sqlerr.SyntaxError, "%s requires a parameter", o.Name.Name).At(o.Pos())
	}
	return literalText(o.Value)
}

func copyByte(o *ast.Option, to *byte) error {
	text, err := copyText(o)
	if err != nil {
		return err
	}
	if len(text) != 1 || text == "\n" || text == "\r" || text == "\x00" {
		return sqlerr.New(sqlerr.FeatureNotSupported, "COPY %s must be a single one-byte character", strings.ToLower(o.Name.Name)).At(o.Pos())
	}
	*to = text[0]
	return nil
}

func (f *copyFormat) csvByte(o *ast.Option, to *byte) error {
	if f.kind != "csv" {
		return sqlerr.New(sqlerr.FeatureNotSupported, "COPY %s available only in CSV mode", strings.ToLower(o.Name.Name)).At(o.Pos())
	}
	return copyByte(o, to)
}

func (f *copyFormat) csvColumns(o *ast.Option, to *map[string]bool, all *bool) error {
	if f.kind != "csv" {
		return sqlerr.New(sqlerr.FeatureNotSupported, "COPY %s available only in CSV mode",
			strings.ReplaceAll(strings.ToLower(o.Name.Name), "_", " ")).At(o.Pos())
	}
	if _, star := o.Value.(*ast.Star); star {
		*all = true
		return nil
	}
	row, ok := o.Value.(*ast.RowExpr)
	if !ok {
		return sqlerr.New(sqlerr.SyntaxError, "argument to option \"%s\" must be a list of column names", o.Name.Text).At(o.Pos())
	}
	*to = map[string]bool{}
	for _, item := range row.Items {
		name, err := literalText(item)
		if err != nil {
			return err
		}
		(*to)[name] = true
	}
	return nil
}

func (f *copyFormat) check() error {
	switch {
	case f.kind == "binary":
		return nil
	case f.kind == "csv" && f.delim == f.quote:
		return sqlerr.New(sqlerr.InvalidParameterValue, "COPY delimiter and quote must be different")
	case strings.IndexByte(f.null, f.delim) >= 0:
		return sqlerr.New(sqlerr.InvalidParameterValue, "COPY delimiter character must not appear in the NULL specification")
	case f.kind == "text" && strings.IndexByte(`\.abcdefghijklmnopqrstuvwxyz0123456789`, f.delim) >= 0:
		return sqlerr.New(sqlerr.InvalidParameterValue, "COPY delimiter cannot be \"%c\"", f.delim)
	case strings.ContainsAny(f.null, "\r\n"):
		return sqlerr.New(sqlerr.InvalidParameterValue, "COPY null representation cannot use newline or carriage return")
	}
	return nil
}
