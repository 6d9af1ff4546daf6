package value

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Picker walks documents that are alike, such as the rows of a result, for some of
// their fields. It remembers the names in the order in which they came, so that
// those of the next document are compared with what is expected and not searched for.
//
//	p := value.NewPicker(names)
//	p.Pick(doc, values) // which stand by slot
//	for p.Begin(doc); p.Next(); { switch p.Slot() { case 0: p.Value() … } }
type Picker struct {
	slots map[string]int
	like  []expected
	next  int // of like, what is expected
	slot  int
	it    Iter
}

// expected is a field of documents before: its name and slot.
type expected struct {
	name string
	slot int
}

// NoSlot is the slot of fields that were not asked for.
const NoSlot = -1

// Bounds of what a Picker remembers, and of how far it looks for a field where
// others were left out.
const (
	mostExpected = 200
	lookAhead    = 16
)

// NewPicker makes a picker of the fields with some names; the slot of a field is
// where its name first stands.
func NewPicker(names []string) *Picker {
	p := &Picker{slots: make(map[string]int, len(names))}
	for i, name := range names {
		if _, twice := p.slots[name]; !twice {
			p.slots[name] = i
		}
	}
	return p
}

// Begin begins a document.
func (p *Picker) Begin(doc bson.Raw) { p.it, p.next = Walk(doc), 0 }

// Next goes to the next field; false at the end. A malformed document ends the walk.
func (p *Picker) Next() bool {
	if p.next < len(p.like) {
		if e := &p.like[p.next]; p.it.NextIs(e.name) {
			p.slot = e.slot
			p.next++
			return true
		}
	}
	return p.unexpected()
}

// Pick puts the values of the fields that were asked for where their slots are in
// vals, which hold missing values before and still do where a document has no such
// field. Of two fields of one name it takes the first. A malformed document ends
// the walk.
func (p *Picker) Pick(doc bson.Raw, vals []Value) {
	p.Begin(doc)
	p.pickExpected(vals)
	for p.Next() {
		if p.slot != NoSlot && vals[p.slot].kind == KindMissing {
			vals[p.slot] = p.it.Value()
		}
	}
}

// pickExpected walks as far as the fields are those that are expected: the same as
// Next and Value, in one loop.
func (p *Picker) pickExpected(vals []Value) {
	doc, at := p.it.doc, 0
	for ; p.next < len(p.like); p.next++ {
		e := &p.like[p.next]
		key := at + 1 + len(e.name)
		if key >= len(doc) || doc[key] != 0 || string(doc[at+1:key]) != e.name {
			break
		}
		t, from := bson.Type(doc[at]), key+1
		n := int(fixedSizes[t]) - 1
		if n < 0 {
			var ok bool
			if n, ok = payloadSize(t, doc[from:]); !ok {
				p.it = Iter{}
				return
			}
		}
		if n > len(doc)-from {
			p.it = Iter{}
			return
		}
		if at = from + n; e.slot < 0 || vals[e.slot].kind != KindMissing {
			continue
		}
		if t == bson.TypeString {
			vals[e.slot] = bytesValue(t, doc[from+4:at-1])
		} else {
			vals[e.slot] = decode(t, doc[from:at:at])
		}
	}
	p.it.end = at
}

func (p *Picker) unexpected() bool {
	if !p.it.Next() {
		return false
	}
	name := p.it.Key()
	for i := p.next; i < min(p.next+lookAhead, len(p.like)); i++ {
		if p.like[i].name == name {
			p.slot, p.next = p.like[i].slot, i+1
			return true
		}
	}
	slot, asked := p.slots[name]
	if p.slot = slot; !asked {
		p.slot = NoSlot
	}
	if len(p.like) < mostExpected {
		p.like = slices.Insert(p.like, p.next, expected{strings.Clone(name), p.slot})
		p.next++
	}
	return true
}

// Slot is that of the current field, NoSlot: its name is none of the picker's.
func (p *Picker) Slot() int { return p.slot }

// Value is the current value.
func (p *Picker) Value() Value { return p.it.Value() }
