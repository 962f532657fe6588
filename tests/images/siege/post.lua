-- An application for each request, as siege's line has it.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"accountNo":"1111","requestId":"01","requestName":"Deposit","amountOfMoney":10000,"userId":"1@sk.com","userName":"유은상","userPassword":"1234"}'

function done(summary, latency, requests)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
  local all = summary.requests + summary.errors.connect + summary.errors.read + summary.errors.write
  io.write(string.format(
    '{"transactions": %d, "failed_transactions": %d, "availability": %.2f, "transaction_rate": %.2f, "longest_transaction": %.2f}\n',
    all - failed, failed, 100 * (all - failed) / all, summary.requests / (summary.duration / 1e6), latency.max / 1e6))
end
