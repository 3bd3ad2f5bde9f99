import Testing
import Varve

@Suite("ShrinkGuard")
struct ShrinkGuardTests {
    private func plan(_ count: Int, keeping: Int) throws -> RetentionPlan {
        try RetentionFixture.plan(RetentionFixture.series(count, every: 60), .init(last: keeping))
    }

    @Test("more than the share is refused with figures and a remedy, and the share itself is not")
    func share() throws {
        #expect { try ShrinkGuard().check(try plan(100, keeping: 9)) } throws: { error in
            guard let error = error as? StoreError else { return false }
            return error.code == .refused && error.message.contains("91 of 100") && error.message.contains("90 %")
                && error.remedy?.contains("--max-drop") == true
        }
        try ShrinkGuard().check(try plan(100, keeping: 10))
        try ShrinkGuard(maxPercent: 100).check(try plan(100, keeping: 1))
    }

    @Test("a few may always go, unless a share was chosen")
    func few() throws {
        try ShrinkGuard().check(try plan(21, keeping: 1))
        #expect(throws: StoreError.self) { try ShrinkGuard().check(try plan(22, keeping: 1)) }
        #expect(throws: StoreError.self) { try ShrinkGuard(maxPercent: 50).check(try plan(4, keeping: 1)) }
        #expect(throws: StoreError.self) { try ShrinkGuard(maxPercent: 0).check(try plan(4, keeping: 3)) }
    }
}
