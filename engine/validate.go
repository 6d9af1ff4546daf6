package engine

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/value"
	"weir/mongoerr"
)

// validate holds a new document against the collection's validator. before is
// the old one of an update, which under validationLevel moderate may be invalid.
func (w *writer) validate(e *Engine, m *meta, before, doc bson.Raw) error {
	v := m.validator
	if v == nil || v.off || w.bypass {
		return nil
	}
	c := e.exprContext(nil)
	ok, err := v.matcher.Match(c, doc)
	if err != nil || ok {
		return err
	}
	if before != nil && v.moderate {
		if was, err := v.matcher.Match(c, before); err != nil || !was {
			return err
		}
	}
	if v.warn {
		e.opts.Logger.Warn("a document failed validation", "namespace", m.ns.String())
		return nil
	}
	return validationError(c, v, doc)
}

// validationError is error 121 with the document's _id and why the validator refuses it.
func validationError(c *expr.Context, v *validator, doc bson.Raw) error {
	start, info := value.BeginDocument(nil)
	info = value.AppendHeader(info, bson.TypeEmbeddedDocument, "errInfo")
	inner, info := value.BeginDocument(info)
	info = value.AppendElement(info, "failingDocumentId", value.Lookup(doc, "_id"))
	info = value.AppendElement(info, "details", value.Document(match.Explain(c, v.spec, doc, v.opts)))
	info = value.EndDocument(info, inner)
	return mongoerr.New(mongoerr.DocumentValidationFailure, "Document failed validation").WithInfo(value.EndDocument(info, start))
}

// newValidator reads the validator options of a collection; nil without one.
func newValidator(options bson.Raw, collation *value.Collation) (*validator, error) {
	spec := value.Lookup(options, "validator")
	if !spec.IsDocument() || value.Len(spec.Doc()) == 0 {
		return nil, nil
	}
	v := &validator{spec: spec.Doc(), opts: &expr.CompileOptions{Collation: collation}}
	m, err := match.Compile(v.spec, v.opts)
	if mongoerr.CodeOf(err) == mongoerr.IndexNotFound {
		return nil, mongoerr.New(mongoerr.BadValue, "$text is not allowed in this context")
	}
	if err != nil {
		return nil, err
	}
	v.matcher = m
	if a := value.Lookup(options, "validationAction"); a.IsString() {
		v.warn = a.Str() == "warn"
	}
	if l := value.Lookup(options, "validationLevel"); l.IsString() {
		v.moderate, v.off = l.Str() == "moderate", l.Str() == "off"
	}
	return v, nil
}
