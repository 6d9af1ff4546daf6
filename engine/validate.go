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
	return validationError(v, doc)
}

// validationError is error 121 with the document's _id and the failed rule.
func validationError(v *validator, doc bson.Raw) error {
	start, info := value.BeginDocument(nil)
	info = value.AppendHeader(info, bson.TypeEmbeddedDocument, "errInfo")
	inner, info := value.BeginDocument(info)
	info = value.AppendElement(info, "failingDocumentId", value.Lookup(doc, "_id"))
	info = value.AppendElement(info, "details", value.Document(validationDetails(v.spec)))
	info = value.EndDocument(info, inner)
	return mongoerr.New(mongoerr.DocumentValidationFailure, "Document failed validation").WithInfo(value.EndDocument(info, start))
}

func validationDetails(spec bson.Raw) bson.Raw {
	start, d := value.BeginDocument(nil)
	it := value.Walk(spec)
	if it.Next() && it.Key()[:min(1, len(it.Key()))] == "$" {
		d = value.AppendElement(d, "operatorName", value.String(it.Key()))
		if it.Key() == "$jsonSchema" {
			return value.EndDocument(d, start)
		}
	}
	d = value.AppendElement(d, "specifiedAs", value.Document(spec))
	return value.EndDocument(d, start)
}

// newValidator reads the validator options of a collection; nil without one.
func newValidator(options bson.Raw, collation *value.Collation) (*validator, error) {
	spec := value.Lookup(options, "validator")
	if !spec.IsDocument() || value.Len(spec.Doc()) == 0 {
		return nil, nil
	}
	v := &validator{spec: spec.Doc()}
	m, err := match.Compile(v.spec, &expr.CompileOptions{Collation: collation})
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
