package towerrpc

import (
	"time"

	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/tower/responder"
	"vigil/internal/towerpb"
)

func breachesToPB(page tower.BreachPage) *towerpb.ListBreachesResponse {
	out := &towerpb.ListBreachesResponse{Height: page.Height, More: page.More}
	for i := range page.Breaches {
		out.Breaches = append(out.Breaches, breachToPB(&page.Breaches[i]))
	}
	return out
}

func breachToPB(b *tower.Breach) *towerpb.Breach {
	out := &towerpb.Breach{
		Row: b.Row, State: string(b.State), UserId: b.User[:], Locator: b.Locator[:], ToSelfDelay: b.ToSelfDelay,
		DisputeTxid: b.Dispute.ID[:], DisputeHeight: b.DisputeAt, PenaltyTxid: b.Penalty.ID[:],
		Tries: b.Tries, TriedHeight: b.TriedAt, Reason: b.Reason, Doubtful: b.Doubtful, OverHeight: b.Over,
	}
	if b.Spend != responder.Unspent {
		out.SpenderTxid, out.SpentHeight = b.Spender[:], b.SpentAt
	}
	if b.Over != 0 {
		out.OverTime = b.When.Unix()
	}
	return out
}

func breachesFromPB(in *towerpb.ListBreachesResponse) (tower.BreachPage, error) {
	page := tower.BreachPage{Height: in.GetHeight(), More: in.GetMore()}
	for _, one := range in.GetBreaches() {
		b, err := breachFromPB(one)
		if err != nil {
			return page, err
		}
		page.Breaches = append(page.Breaches, b)
	}
	return page, nil
}

func breachFromPB(in *towerpb.Breach) (b tower.Breach, err error) {
	b.Row, b.State, b.ToSelfDelay = in.GetRow(), tower.BreachState(in.GetState()), in.GetToSelfDelay()
	b.DisputeAt, b.SpentAt = in.GetDisputeHeight(), in.GetSpentHeight()
	b.Tries, b.TriedAt, b.Reason, b.Doubtful = in.GetTries(), in.GetTriedHeight(), in.GetReason(), in.GetDoubtful()
	b.Accepted = b.Tries > 0 && b.Reason == ""
	if b.Over = in.GetOverHeight(); b.Over != 0 {
		b.When = time.Unix(in.GetOverTime(), 0).UTC()
	}
	copy(b.User[:], in.GetUserId()) // not parsed: that of an old breach may be unknown
	if b.Locator, err = teos.LocatorFromBytes(in.GetLocator()); err != nil {
		return b, err
	}
	if err := b.Dispute.ID.SetBytes(in.GetDisputeTxid()); err != nil {
		return b, err
	}
	if err := b.Penalty.ID.SetBytes(in.GetPenaltyTxid()); err != nil {
		return b, err
	}
	if b.Spend = spendOf(b.State); b.Spend != responder.Unspent {
		err = b.Spender.SetBytes(in.GetSpenderTxid())
	}
	return b, err
}

// spendOf returns what the chain has decided in a state.
func spendOf(s tower.BreachState) responder.Spend {
	switch s {
	case tower.Confirmed, tower.Resolved:
		return responder.ByPenalty
	case tower.Rivalled, tower.Lost:
		return responder.ByRival
	case tower.Replaced:
		return responder.Replaced
	default:
		return responder.Unspent
	}
}
