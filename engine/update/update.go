package update

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/value"
	"weir/mongoerr"
)

// Options are the surroundings of an update.
type Options struct {
	ArrayFilters []bson.Raw
	Let          bson.Raw // variables of pipeline updates, a document of constants
	Collation    *value.Collation
	Upsert       bool
	Env          *agg.Env // nil: an empty one
	Memory       *Memory  // nil: the update has its own
}

// Update is a compiled update. It is used by one goroutine at a time.
type Update struct {
	opts    Options
	ops     []pathOp      // operators, in the order of application
	replace bson.Raw      // replacement document
	pipe    *agg.Pipeline // pipeline
	plain   plain         // operators that need no ops
	filters map[string]*arrayFilter
	stamps  bool
}

// Stamps tells whether the update writes a cluster time of its own, which the
// context of Apply gives.
func (u *Update) Stamps() bool { return u.stamps }

// Result is what an update made of a document.
type Result struct {
	Doc     bson.Raw
	Changed bool
	// Description is what a change stream shows as updateDescription; nil for
	// replacements, for pipelines whose result is shorter than what changed, and
	// when nothing changed.
	Description *Description
}

// Compile checks and compiles an update: a document of operators, a
// replacement document, or an array of pipeline stages.
func Compile(u bson.RawValue, opts Options) (*Update, error) {
	p := opts.Memory.update()
	p.opts = opts
	switch u.Type {
	case bson.TypeArray:
		return p, p.compilePipeline(bson.Raw(u.Value))
	case bson.TypeEmbeddedDocument:
	default:
		return nil, mongoerr.New(mongoerr.FailedToParse, "Update argument must be either an object or an array")
	}
	doc := bson.Raw(u.Value)
	it := value.Walk(doc)
	if it.Next() && len(it.Key()) > 0 && it.Key()[0] == '$' {
		if len(opts.ArrayFilters) == 0 && p.plain.read(doc, opts.Memory) {
			return p, nil
		}
		return p, p.compileOperators(doc)
	}
	return p, p.compileReplacement(doc)
}

// IsReplacement tells whether the update is a whole document.
func (u *Update) IsReplacement() bool { return u.replace != nil }

// IsPlain tells whether the update sets fields of the document itself to values
// without parts: then Apply needs neither context nor filter.
func (u *Update) IsPlain() bool { return len(u.plain.fields) > 0 }

// Apply updates a document. m is the filter that found it, for the positional
// operator; it may be nil.
func (u *Update) Apply(c *expr.Context, doc bson.Raw, m *match.Matcher) (Result, error) {
	out, desc, err := u.apply(c, doc, m, false)
	if err != nil {
		return Result{}, err
	}
	// Some count as changes although the bytes stay: operators, of a NaN that is
	// incremented or an item set to null that was null, and a replacement that
	// leaves out the _id, or has it elsewhere.
	if bytes.Equal(out, doc) && (desc == nil || u.pipe != nil || desc.empty()) && (u.replace == nil || bytes.Equal(u.replace, doc)) {
		return Result{Doc: doc}, nil
	}
	if err := checkSize(out); err != nil {
		return Result{}, err
	}
	return Result{Doc: out, Changed: true, Description: desc}, nil
}

// maxDocument is the size limit of stored documents.
const maxDocument = 16 << 20

func checkSize(doc bson.Raw) error {
	if len(doc) > maxDocument {
		return mongoerr.New(17419, "Resulting document after update is larger than %d", maxDocument)
	}
	return nil
}

func (u *Update) apply(c *expr.Context, doc bson.Raw, m *match.Matcher, insert bool) (bson.Raw, *Description, error) {
	switch {
	case u.IsPlain():
		out, desc := u.plain.apply(doc, u.opts.Memory)
		return out, desc, nil
	case u.replace != nil:
		out, err := u.applyReplacement(doc, insert)
		return out, nil, err
	case u.pipe != nil:
		out, err := u.applyPipeline(c, doc, insert)
		if err != nil || insert {
			return out, nil, err
		}
		return out, Diff(doc, out), nil
	}
	return u.applyOperators(c, doc, m, insert)
}
