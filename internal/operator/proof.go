package operator

var proofMethods []Method
